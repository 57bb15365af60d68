# Where this SSH connection comes from, and the rules in force. $1 our table, $2 the rules that are loaded at boot, $3
# the stamp that they should have, $4 the unit that loads them, $5 where the control groups of units are, $6 lasting
# units (extended regular expressions).
#   from ADDRESS     (what connection.sh before this found)
#   stamp, intact    the comment of our table, and whether the kernel lists it as it did when it was confirmed
#   open, bound      what the confirmed rules open to other machines (those that the unit loads: paths.config may have
#                    moved), and what the lasting units' sockets hold; only when the rules in force are not those of the
#                    site alone
#   former, age      ports that relays had before those rules, and how many seconds ago they were confirmed
# shellcheck disable=SC2154
echo "from ${s%% *}"
if t=$(nft -s list table inet "$1"); then
  c=${t#*comment '"'}; [ "$c" = "$t" ] || echo "stamp ${c%%'"'*}"
  read -r l <"$2.listing"; [ "$(printf '%s\n' "$t" | sha256sum)" != "$l" ] || echo intact
fi
case $t in *"comment \"$3\""*) exit ;; esac
m=$(sed -n 's/^ExecStart=.*nft -f \([^ ]*\) && .*/\1/p' "$4")
sed -n 's/^# \(PUBLIC\|CLUSTER\|TRUNK\) \([a-z]* [0-9-]* [^ :]*\): .*/open \1 \2/p
  s/^# FORMER \([0-9-]* [^ :]*\): .*/former \1/p' "$m"
[ -z "$m" ] || echo "age $(($(date +%s) - $(stat -c %Y "$m")))"
ss -Hlntu --cgroup | awk -v ours="^cgroup:$5($6)[^/]*\$" '$NF ~ ours { print "bound", $1, $5 }'
