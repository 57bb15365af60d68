# Brings the confirmed rules back. $0 rules that nobody confirmed, $1 the unit that loads the confirmed ones, $2 our
# table: before the first confirmation there is no unit, and the host was without rules.
rm -f "$0"
systemctl cat "$1" >/dev/null 2>&1 && exec systemctl restart "$1"
nft "add table inet $2; delete table inet $2"
