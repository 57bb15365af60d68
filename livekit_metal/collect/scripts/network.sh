# Addresses, who listens, what was dropped.
ip -br address; ip route; ip -6 route; ip rule; resolvectl status 2>/dev/null || cat /etc/resolv.conf
echo "# interfaces"; ip -s link
echo "# listeners"; ss -Htulnp
echo "# sockets"; ss -s
echo "# counters"; cat /proc/net/snmp /proc/net/snmp6 | grep -E 'Udp|Tcp:'; cat /proc/net/softnet_stat
echo "# connection table"; cat /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max
