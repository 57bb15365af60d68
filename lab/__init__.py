"""Disposable Debian hosts on this machine: systemd-nspawn containers with a real systemd.

``python -m lab up`` makes or repairs them, ``python -m lab down`` removes every trace but the cached images.
What exists is read from the machine, never from memory: a process is ours because the kernel says that it is
in our cgroup, a bridge and an nft table are ours by name and by the mark we set on them.

run -> places -> claims -> sources -> image -> files -> root -> network -> cgroup -> machine -> verbs
(each may use those before it).
"""
