# Runs inside a copy of a base image of the lab: what a virtual machine has beyond a container, and what Vagrant asks of a
# box (https://developer.hashicorp.com/vagrant/docs/boxes/base). $1: the public key that Vagrant replaces at its first login.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

echo 'LABEL=root / ext4 errors=remount-ro 0 1' >/etc/fstab
apt-get update
apt-get -y --no-install-recommends install "linux-image-cloud-$(dpkg --print-architecture)" initramfs-tools zstd
apt-get clean
rm -rf /var/lib/apt/lists/*

useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/vagrant
chmod 0440 /etc/sudoers.d/vagrant
install -d -m 0700 -o vagrant -g vagrant /home/vagrant/.ssh
echo "$1" >/home/vagrant/.ssh/authorized_keys
chown vagrant:vagrant /home/vagrant/.ssh/authorized_keys
chmod 0600 /home/vagrant/.ssh/authorized_keys

# Vagrant's own network is the first interface; it writes a file for each of the others itself.
cat >/etc/systemd/network/20-eth0.network <<END
[Match]
Name=eth0

[Network]
DHCP=ipv4
END
# The base image has no host keys: each machine makes its own before sshd asks for them.
mkdir -p /etc/systemd/system/ssh.service.d
cat >/etc/systemd/system/ssh.service.d/keys.conf <<END
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
ExecStartPre=/usr/sbin/sshd -t
END

# GRUB itself is put before the file system, or U-Boot is the machine's firmware; these lines are all that they read.
# Debian's links lead to the newest kernel, so an upgrade of it is what the next boot starts. mitigations=off: a change of
# page tables at each system call (PTI) empties the TLB that QEMU keeps in software.
mkdir -p /boot/grub /boot/extlinux
cat >/boot/extlinux/extlinux.conf <<END
default debian
label debian
  kernel /vmlinuz
  initrd /initrd.img
  append root=LABEL=root ro console=ttyAMA0 net.ifnames=0 mitigations=off quiet
END
cat >/boot/grub/grub.cfg <<END
linux /vmlinuz root=LABEL=root ro console=ttyS0 net.ifnames=0 mitigations=off quiet
initrd /initrd.img
boot
END

rm -f /etc/ssh/ssh_host_* /etc/resolv.conf /var/lib/dbus/machine-id
: >/etc/machine-id
rm -f /var/log/*.log /var/log/apt/*
