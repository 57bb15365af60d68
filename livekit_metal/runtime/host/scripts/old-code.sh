# Prints `UNIT PID FILE`. What counts is the program itself (the first file of a process' maps) and libraries: what
# GStreamer and others compile while they run is executable and deleted too (orcexec, memfd, /dev/zero). The second
# awk: another inode on the same device. On another device nothing can be said (overlayfs and btrfs show two numbers
# for one file), nor of a file that the process' own root does not have.
maps=$(grep -asHoE '^(0:|1:name=systemd):/system[.]slice/([^/]*[.]slice/)?livekit-[^/]*\.service' /proc/[0-9]*/cgroup | sed 's,:.*/,:,' | awk -F : '
  function hex(digits, i, n) {
    for (i = 1; i <= length(digits); i++) n = n * 16 + index("0123456789abcdef", substr(digits, i, 1)) - 1
    return n
  }
  {
    split($1, at, "/"); pid = at[3]
    if (pid in seen) next
    seen[pid] = 1; program = ""; maps = "/proc/" pid "/maps"
    while ((getline line < maps) > 0) {
      if (split(line, f, " ") < 6 || f[5] == 0) continue
      file = substr(line, index(line, "/")); gone = sub(/ \(deleted\)$/, "", file)
      if (program == "") program = file
      if (f[2] !~ /x/ || ((pid, file, gone) in told)) continue
      if (file !~ /\.so(\.[^\/]*)?$/ && file != program) continue
      if (file ~ /^\/(dev|proc|run|tmp|var\/tmp)\/|^\/(memfd:|SYSV)/) continue
      told[pid, file, gone] = 1; split(f[4], device, ":"); minor = hex(device[2])
      st_dev = int(minor / 256) * 1048576 + hex(device[1]) * 256 + minor % 256
      if (gone) print "old", $2, pid, file
      else if (!asked[$2, file, f[5]]++) printf "map %s %s %.0f %s /proc/%s/root%s\n", $2, pid, st_dev, f[5], pid, file
    }
    close(maps)
  }')
{ printf '%s\n' "$maps"
  printf '%s\n' "$maps" | sed -n 's/^map [^ ]* [0-9]* [0-9]* [0-9]* //p' | xargs -r -d '\n' stat -Lc 'is %d %i %n' --
} 2>/dev/null | awk '
  function rest(n, text) { text = $0; while (n--) sub(/^[^ ]* /, "", text); return text }
  $1 == "old" { print rest(1) }
  $1 == "map" { path = rest(5); who[path] = $2 " " $3; dev[path] = $4; inode[path] = $5 }
  $1 == "is" {
    path = file = rest(3); sub(/^\/proc\/[0-9]*\/root/, "", file)
    if (dev[path] == $2 && inode[path] != $3) print who[path], file
  }'
