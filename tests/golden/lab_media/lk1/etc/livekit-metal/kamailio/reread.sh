644 root:root
----------------------------------------
# Managed by livekit-metal; edit the inventory instead. Role: kamailio
# Has the running Kamailio take anew what needs no restart, and remember which files these were (`$1`: only remember,
# it has just started with them). No call notices.
set -eu
# As its user: the socket is in its own directory. kamcmd ends with status 0 whatever Kamailio answers.
tell() {
  said=$(setpriv --reuid=kamailio --regid=kamailio --clear-groups timeout 20 kamcmd -s unix:/run/livekit-kamailio/ctl "$@" 2>&1) && case $said in error*) false ;; esac ||
    { echo "Kamailio does not do $1: ${said:-no answer} (journalctl -u livekit-kamailio says more)" >&2; exit 1; }
}
files=$(cat /etc/livekit-metal/kamailio/sources | sha256sum | cut -c 1-16)
if [ "${1-}" != remember ]; then
  tell permissions.addressReload
fi
tell pv.shvSet files str "$files"
