# Why the host should be rebooted, a line for each reason: what packages say, a newer kernel, libraries that others than
# our own daemons run on (a deploy brings those to the new code).
if [ -e /run/reboot-required ]; then
  echo "asked for by $(sort -u /run/reboot-required.pkgs 2>/dev/null | paste -sd ' ' | sed 's/^$/a package/')"
fi
if [ "$(systemd-detect-virt -c)" = none ]; then
  newest=$(find /boot -maxdepth 1 -name 'vmlinuz-*' | sort -V | tail -n 1)
  [ -z "$newest" ] || [ "$newest" = "/boot/vmlinuz-$(uname -r)" ] || echo "kernel ${newest#*vmlinuz-} is installed"
fi
names=$(grep -lsE 'r-xp .*/lib/.*\(deleted\)$' /proc/[0-9]*/maps | cut -d / -f 3 | while read -r pid; do
  grep -qs '/livekit-' "/proc/$pid/cgroup" || cat "/proc/$pid/comm" 2>/dev/null
done | sort -u | head -n 5 | paste -sd ' ')
[ -z "$names" ] || echo "libraries were replaced under $names"
