# What a look tells of the kernel. $1 keys of sysctl (as paths below /proc/sys; words), $2 the same for a regular
# expression, $3 how a line of ours begins that says what others have reserved, $4 the name of relays' ports in the
# rules $5.
#   module           nf_conntrack is a module and can be loaded
#   locked KEY       there, but root may not write it
#   FILE:KEY=VALUE   what sysctl.d says at boot; from our own file also the line that reserved.py needs
#   relays PORTS     the firewall lets nothing out from there but to media, so no connection of the host's own may get
#                    such a port, also of before a change
# One process: a look is on every deploy.
read -r v </proc/sys/kernel/osrelease
for m in "/lib/modules/$v/kernel/net/netfilter/nf_conntrack.ko"*; do [ ! -e "$m" ] || echo module; done
for k in $1; do [ -w "/proc/sys/$k" ] || [ ! -e "/proc/sys/$k" ] || echo "locked $k"; done
sed -n "s/^# [A-Z]* \(udp \)\{0,1\}\([0-9-]*\) $4[-:].*/relays \2/p" "$5"
grep -HsE "^($3|[[:space:]]*-?($2)[[:space:]]*=)" \
  /etc/sysctl.d/*.conf /run/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf /usr/lib/sysctl.d/*.conf
