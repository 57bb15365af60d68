# What one server has kept becomes the other's. Its own program writes it again as commands, which every server reads: base
# files of Redis from 7.4 and of Valkey from 9 are their own. Then it changes hands, while nobody of either runs. When that
# fails, the unit is started again as it was. $1 our unit, $2 the data, $3 whose they are, $4 whose they are to be
set -eu
unit=$1 data=$2 from=$3 to=$4 socket=$2/convert.sock
if [ "$(systemctl show -p LoadState --value "$unit")" != not-found ]; then
  systemctl stop "$unit"
  trap 'chown -hR -- "$from:$from" "$data" || :; systemctl start "$unit"' EXIT
fi
client=$(command -v "$from-cli" || command -v "$to-cli")
ask() { "$client" -s "$socket" "$@" 2>&1; }
if program=$(command -v "$from-server"); then
  chown -hR -- "$from:$from" "$data" # one that was killed may have left some of it
  setpriv --reuid "$from" --regid "$from" --clear-groups timeout 300 "$program" --port 0 --unixsocket "$socket" \
    --dir "$data" --appendonly yes --aof-use-rdb-preamble no --save '' --loglevel warning &
  again() { kill -0 $! || exit 1; sleep 0.2; }
  until [ "$(ask ping)" = PONG ]; do again; done
  ask bgrewriteaof
  until ask info persistence | grep -q '^aof_rewrite_in_progress:0'; do again; done
  ask info persistence | grep -q '^aof_last_bgrewrite_status:ok'
  ask shutdown
  wait $!
fi
chown -hR -- "$to:$to" "$data"
trap - EXIT
