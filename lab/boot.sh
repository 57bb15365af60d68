#!/bin/sh
# usage: boot.sh CGROUP systemd-nspawn …
# Runs one host and starts it again whenever it reboots: systemd-nspawn --keep-unit then ends with 133 instead of
# doing so itself. The host's processes live in CGROUP/boot, this loop beside them: a cgroup with children that have
# controllers may hold no processes of its own.
cgroup=$1
shift
echo $$ >"$cgroup/loop/cgroup.procs" || exit 1
while
    find "$cgroup/boot" -depth -type d -exec rmdir {} +
    mkdir -p "$cgroup/boot"
    sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$cgroup/boot" "$@"
    [ $? -eq 133 ]
do :; done
