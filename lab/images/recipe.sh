# Runs inside a new image, after debootstrap. What it makes is the same for every host made from the image.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

update-ca-certificates
apt-get update
apt-get -y -o Dpkg::Options::=--force-confold dist-upgrade
apt-get clean
rm -rf /var/lib/apt/lists/*

# Whoever deploys: root, a user who may become root, and one who may not (for tests of the refusal).
useradd --create-home --shell /bin/bash --no-user-group --gid users operator
useradd --create-home --shell /bin/bash --no-user-group --gid users nosudo
echo 'operator ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/operator
chmod 0440 /etc/sudoers.d/operator

systemctl enable systemd-networkd.service ssh.service
# Whatever would take apt's lock at a moment of its own makes runs differ from each other.
systemctl mask apt-daily.timer apt-daily-upgrade.timer
echo 'LANG=C.UTF-8' >/etc/default/locale

# Each host gets its own.
rm -f /etc/ssh/ssh_host_* /etc/hostname /etc/resolv.conf /var/lib/dbus/machine-id
: >/etc/machine-id
rm -f /var/log/*.log /var/log/apt/* /root/.bash_history
