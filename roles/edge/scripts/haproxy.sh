# What HAProxy says of itself, and how it was called. $1 how to ask it (a program, by eval)
said=$(eval "$1")
printf '%s\n' "$said"
pid=$(printf '%s\n' "$said" | sed -n 's/^Pid: //p')
[ -z "$pid" ] || echo "called $(tr '\0' ' ' <"/proc/$pid/cmdline")"
