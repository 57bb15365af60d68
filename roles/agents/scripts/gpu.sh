# What a host has for fleets with a GPU: `driver VERSION`, `device NAME`. $1 stands before every path: '' on a host.
[ ! -r "$1/proc/driver/nvidia/version" ] ||
  sed -n 's/^NVRM version:.*  *\([0-9][0-9]*\.[0-9.]*\) .*/driver \1/p' "$1/proc/driver/nvidia/version"
for each in "$1"/dev/nvidia[0-9]* "$1/dev/nvidiactl" "$1/dev/nvidia-uvm"; do
  [ ! -e "$each" ] || echo "device ${each#"$1"/dev/}"
done
