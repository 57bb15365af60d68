644 root:root
----------------------------------------
# Managed by livekit-metal; edit the inventory instead. Role: egress
# $1 unit. Ends what it records in good order: the end of each stream (30 s at most), then the upload, then its manifest.
# SIGTERM to egress, so that it takes nothing new; SIGINT to each recording, which is a child of it. (SIGINT to egress
# itself gives whole files too, but calls the recordings failed and writes no manifest: pkg/handler/handler_ipc.go.)
main=$(systemctl show -p MainPID --value "$1")
[ "$main" != 0 ] || exit 0
kill -TERM "$main"
pkill -INT -P "$main" -f 'egress run-handler$' || :
