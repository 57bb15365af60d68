#!/bin/sh
# usage: disk.sh TREE ARCH GIGABYTES DIRECTORY
# Makes DIRECTORY/box.img of a Debian tree: qcow2, an MBR (with GRUB for amd64), one ext4 file system. Nothing is mounted.
set -eu
tree=$1 arch=$2 size=$3 out=$4
raw=$out/box.raw
rm -f "$raw"
truncate -s "${size}G" "$raw"
printf 'label: dos\nstart=2048, type=83, bootable\n' | sfdisk -q "$raw"
# without what is newer than the GRUB and the kernel that read it
mke2fs -q -t ext4 -L root -O '^metadata_csum_seed,^orphan_file' -E offset=1048576 -d "$tree" "$raw" "$((size * 1024 - 1))M"
if [ "$arch" = amd64 ]; then
    # the image of GRUB says by itself that it follows the boot sector, which looks for it there
    grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o "$out/core.img" biosdisk part_msdos ext2 normal linux
    dd if=/usr/lib/grub/i386-pc/boot.img of="$raw" bs=440 count=1 conv=notrunc status=none
    dd if="$out/core.img" of="$raw" bs=512 seek=1 conv=notrunc status=none
    rm "$out/core.img"
fi
qemu-img convert -q -O qcow2 "$raw" "$out/box.img"
rm "$raw"
