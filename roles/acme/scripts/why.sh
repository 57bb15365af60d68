# What the last run of the unit $1 said that failed, in one line.
[ "$(systemctl show -p ActiveState --value "$1")" = failed ] || exit 0
run=$(systemctl show -p InvocationID --value "$1")
said=$(journalctl "_SYSTEMD_INVOCATION_ID=$run" -o cat --no-pager |
  grep -i -e error -e ' not ' -e could | tail -n 1 | cut -c 1-400)
echo "${said:-it said nothing}"
