# What kind of host it is, and how it is now.
cat /etc/os-release; uname -srvm; systemd-detect-virt; uptime
nproc; free -m; df -hT -x tmpfs -x devtmpfs -x overlay; timedatectl
echo "# pressure"; for each in cpu memory io; do echo "$each"; cat "/proc/pressure/$each"; done
echo "# largest processes"; ps -eo pid,user,rss,pcpu,etimes,comm --sort=-rss | head -n 25
echo "# kernel"; sysctl -a 2>/dev/null | grep -E '^(net\.(core|ipv4\.(udp|tcp|ip_)|netfilter)|vm\.|fs\.(file|nr)|kernel\.(pid|threads|apparmor|unpriv))'
echo "# reboot"; ls /run/reboot-required* 2>&1; journalctl --list-boots --no-pager | tail -n 5
