# $1 directory of a release, $2 what arrives (site, code), $3 its sha256, $4 KiB, $5 what the packages are ('' for the
# code, which comes last). The sum is taken of what tar unpacks while it does. Bytecode is made here, where the very
# Python is: a worker starts a process for each job, and could not write it down itself.
set -eu; umask 022; d=$1; t=$1.lkm-new; mkdir -p "$t"; trap 'rm -rf "$t"' EXIT
free=$(df -Pk "${d%/*}" | awk 'NR == 2 { print $4 }')
[ "$free" -gt "$4" ] || { echo "$(($4 >> 10)) MB are needed below ${d%/*}, $((free >> 10)) MB are free" >&2; exit 1; }
rm -rf "${t:?}/$2"; mkfifo "$t/pipe"; sha256sum <"$t/pipe" >"$t/sum" & sum=$!
gzip -dc | tee "$t/pipe" | tar -x --no-same-owner -C "$t" || s=$?
wait "$sum"; trap '' PIPE
[ "${s:-0}" = 0 ] || { echo "tar ended with $s" >&2; exit 1; }
[ "$(cut -c 1-64 "$t/sum")" = "$3" ] || { echo "what arrived is not what was sent" >&2; exit 1; }
rm "$t/pipe" "$t/sum"
# The controller gives up a host that is silent: a busy one takes minutes for this.
(n=0; while [ $n -lt 60 ] && kill -0 $$; do printf .; sleep 10 >/dev/null; n=$((n + 1)); done) 2>/dev/null & tick=$!
trap 'kill "$tick" 2>/dev/null; rm -rf "$t"' EXIT
[ -d "$t/site/node_modules" ] ||
  python3 -S -m compileall -q -j 0 --invalidation-mode unchecked-hash "$t/$2" >/dev/null 2>&1 || :
if [ -n "$5" ]; then printf '%s\n' "$5" >"$t/packages"; else sync -f "$t"; rm -rf "$d"; mv -T "$t" "$d"; fi
trap - EXIT; kill "$tick" 2>/dev/null || :
