# At the deadline, $slot and $unit: a second signal would be ignored, so the calls' media is shut off, and livekit-sip
# hangs up with BYE as it does with everybody who has gone silent. Its unit removes the table when it has ended.
# shellcheck disable=SC2154
f=$(readlink "/etc/systemd/system/$unit.d/50-generation.conf")
r=$(sed -n "s/^slot $slot .* rtp //p" "${f%/*}/ports"); [ -n "$r" ] || exit 0
nft -f - <<EOF
table inet livekit_metal_finish_sip_$slot {
  chain media { type filter hook prerouting priority -310; policy accept; udp dport $r drop; }
}
EOF
