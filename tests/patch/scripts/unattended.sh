# unattended-upgrades and a needrestart that restarts whatever it finds, from Debian's own archive; and a daemon of
# nobody's that runs on libssl.
set -eu
export DEBIAN_FRONTEND=noninteractive
debian() {
  apt-get -q -o Dir::Etc::SourceList=/root/lkm-sources/sources.list \
    -o Dir::Etc::SourceParts=/root/lkm-sources/sources.list.d "$@"
}
debian update
debian -y --no-install-recommends install unattended-upgrades needrestart
# shellcheck disable=SC2016 # Perl's
echo '$nrconf{restart} = "a";' >/etc/needrestart/conf.d/lkm-test.conf
echo 'Unattended-Upgrade::Origins-Pattern:: "label=Debian-Security";' >/etc/apt/apt.conf.d/99lkm-test
printf 'defaults\n mode http\n timeout client 5s\nfrontend nobody\n bind 127.0.0.1:19998\n' >/etc/lkm-bystander.cfg
printf '[Service]\nExecStart=/usr/sbin/haproxy -db -f /etc/lkm-bystander.cfg\n' \
  >/etc/systemd/system/lkm-bystander.service
systemctl daemon-reload
systemctl start lkm-bystander
