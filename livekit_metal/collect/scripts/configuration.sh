# Directories of livekit-metal ($1 configuration, $2 programs, $3 data): modes, owners, times and sizes; then the text of
# files of ours that every account of the host may read. What is a secret is never among those.
echo "# modes, owners, times, sizes"
find "$1" "$2" "$3" -maxdepth 4 -printf '%M %u %g %TY-%Tm-%TdT%TH:%TM %s %p -> %l\n' 2>&1 | sort -k 6 | head -n 5000
echo "# free file descriptors, inodes"
cat /proc/sys/fs/file-nr; df -i "$1" "$2" "$3"
find "$1" /etc/systemd/system -xdev -type f -perm -o=r -size -200k \
  \( -path "$1/*" -o -name 'livekit-*' -o -path '*/livekit-*/*' \) ! -name '*.pem' ! -name '*.key' | sort | while read -r f; do
  printf '\n# %s\n' "$f"
  cat "$f"
done
