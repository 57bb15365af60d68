# What a slot's process has had of the cores so far, and the cores themselves: two such looks tell what lies between.
# Arguments: the active file, the unit with % for the slot. Fields of the kernel: Documentation/scheduler/sched-stats.rst
# (ns that threads ran, ns that they waited for a core, how often they got one), proc(5) for stat, cgroup-v2.rst
slot=$(sed -n 's/^livekit //p' "$1" 2>/dev/null)
pid=$(systemctl show -P MainPID "$(echo "$2" | sed "s/%/$slot/")" 2>/dev/null)
[ "${pid:-0}" -gt 0 ] || exit 0
cat /proc/"$pid"/task/*/schedstat 2>/dev/null |
  awk -v p="$pid" '{ ran += $1; waited += $2; turns += $3 } END { printf "%d %.0f %.0f %.0f\n", p, ran, waited, turns }'
awk '/^cpu / { for (i = 2; i <= 9; i++) all += $i; printf "%.0f %.0f %.0f\n", all, $5 + $6, $9 }' /proc/stat
group=$(sed -n 's/^0:://p' /proc/"$pid"/cgroup)
sed -n 's/^nr_throttled //p' "/sys/fs/cgroup$group/cpu.stat" 2>/dev/null || :
