# Starts or restarts the unit $1 with its present files.
systemctl daemon-reload
# after five fast failures systemd refuses to try again
systemctl reset-failed "$1" 2>/dev/null || :
systemctl restart "$1" && exit
journalctl -u "$1" -n 15 --no-pager -o cat >&2
exit 1
