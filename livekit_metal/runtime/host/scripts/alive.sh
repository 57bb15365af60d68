# For until.sh: no use to wait for a unit that systemd has had to start again.
# shellcheck disable=SC2154
case $(systemctl show -p NRestarts -p SubState "$unit") in
  *NRestarts=0*SubState=auto-restart | *NRestarts=[1-9]*) echo "it exits at start"; exit 2 ;;
esac
