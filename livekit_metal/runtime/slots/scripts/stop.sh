# Stops units, without the deadlines of drains, which are hours: nobody is on the host, or the operator has said to drop
# them.
rm -f /run/systemd/system/livekit-*@*.service.d/*.conf
systemctl daemon-reload
for u in "$@"; do systemctl -q disable --now "$u" 2>/dev/null || systemctl stop "$u" 2>/dev/null || :; done
rm -rf /run/systemd/system/livekit-*@*.service.d
