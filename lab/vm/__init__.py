"""Hosts with a kernel of their own: virtual machines, made by Vagrant from the Vagrantfile of this checkout.

Everything special to this machine (QEMU without KVM, libvirt's daemons started by hand, a box made here) is in a
Vagrant home of the lab's own, so the Vagrantfile stays as users with VirtualBox or KVM want it. What is here beside the
lab's directory is libvirt's, and has the lab's name: domains, a storage pool, two networks.

places -> tools -> daemons -> box -> vagrant -> machine -> verbs
"""
