# What unattended.sh made.
set -eu
export DEBIAN_FRONTEND=noninteractive
systemctl stop lkm-bystander
rm -f /etc/systemd/system/lkm-bystander.service /etc/lkm-bystander.cfg
systemctl daemon-reload
apt-get -q -y purge unattended-upgrades needrestart
rm -f /etc/needrestart/conf.d/lkm-test.conf /etc/apt/apt.conf.d/99lkm-test
