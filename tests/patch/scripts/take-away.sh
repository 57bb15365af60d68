# What set-up.sh made, and what packages of its archive have asked for.
dpkg --purge --force-all lkm-test
rm -rf /srv/lkm-archive /etc/apt/sources.list.d /etc/apt/sources.list
mv /root/lkm-sources/* /etc/apt/
rmdir /root/lkm-sources
rm -f /run/reboot-required /run/reboot-required.pkgs
