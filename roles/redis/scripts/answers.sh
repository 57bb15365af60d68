# Whether Redis lets a user in. $1, $2 and $3: host, port, user. Passwords come by standard input and go on in the
# environment: no argument list has them, nor the hashes that users are set by (the client tells an error of a line it
# reads by words only). Each client talks to either server, and the host may have one of them or both. For until.sh
# shellcheck disable=SC2154
said=$(REDISCLI_AUTH=$secret timeout 5 "$client" -h "$1" -p "$2" --user "$3" ping 2>&1)
[ "$said" = PONG ] || { echo "$said"; false; }
