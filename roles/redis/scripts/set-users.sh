# Passwords come by standard input, in one line, then what to set; they go on in the environment: no argument list has
# them, nor the hashes that users are set by (redis-cli tells an error of a line it reads by words only). $1 host, $2
# port. After client.sh
# shellcheck disable=SC2154
host=$1 port=$2
cli() { timeout 5 "$client" -e -h "$host" -p "$port" --user deploy "$@"; }
export REDISCLI_AUTH
IFS= read -r passwords
for REDISCLI_AUTH in $passwords; do ! cli ping >/dev/null 2>&1 </dev/null || break; done
while read -r line; do
  said=$(printf 'acl %s\n' "$line" | cli 2>&1) || { echo "$said"; exit 1; }
  case $said in OK | [0-9] | [0-9][0-9]) ;; *) echo "$said"; exit 1 ;; esac
done
