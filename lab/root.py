"""A host's file tree: a copy of the base image with a name, an address and keys of its own.

It is made as ``hosts/.NAME.partial`` and renamed when complete. A plain copy (reflinked where the file system
can) and no overlay: nothing is mounted, so nothing can stay mounted; the cache may be emptied at any time.
"""

from __future__ import annotations

import re
import secrets
import shutil
from ipaddress import IPv4Network
from pathlib import Path

from lab import files
from lab.images import build
from lab.places import Lab, host_address
from lab.run import LabError, run, write

_USERS = ("root", "operator", "nosudo")
_HOST_KEY = "etc/ssh/ssh_host_ed25519_key"


def client_key(lab: Lab) -> str:
    """The public half of the key pair all tools enter the hosts with; made now if there is none."""
    private = lab.dir / "id_ed25519"
    if not private.exists():
        new = lab.dir / ".id_ed25519.new"
        _keygen(new, f"livekit-metal {lab.name}")
        new.with_name(f"{new.name}.pub").rename(lab.dir / "id_ed25519.pub")
        new.rename(private)
    return run("ssh-keygen", "-y", "-f", private).strip()


def host_key(lab: Lab, host: str) -> str:
    """The public host key, read where it was made and not from the network."""
    return (lab.root(host) / f"{_HOST_KEY}.pub").read_text()


def make(lab: Lab, host: str, network: IPv4Network, base: Path, key: str, *, hardened: bool = False) -> None:
    """Put a complete host directory in place. Raises LabError when the copy fails."""
    home = lab.host_dir(host)
    partial = home.with_name(f".{host}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    root = partial / "root"
    try:
        run("setpriv", "--pdeathsig", "KILL", "cp", "--archive", "--reflink=auto", base, root)
    except LabError:
        build.need_space(partial, build.HOST_MEGABYTES, f"host {host}")
        raise
    write(root / "etc/machine-id", f"{secrets.token_hex(16)}\n", 0o444)
    write(root / "etc/hostname", f"{host}\n")
    write(root / "etc/hosts", files.etc_hosts(host))
    write(root / "etc/systemd/network/10-host0.network", files.networkd(network, host_address(network, host)))
    _keygen(root / _HOST_KEY, f"root@{host}")
    _let_in(root, key)
    if hardened:
        _harden(root)
    partial.rename(home)


def _harden(root: Path) -> None:
    """As hardening guides want it. What the tests do over their own connection, as root, is left out."""
    for name, but_root in (("common-session", True), ("common-session-noninteractive", False)):
        stack = root / "etc/pam.d" / name
        write(stack, files.pam_umask(stack.read_text(), but_root=but_root))
    login = root / "etc/login.defs"
    write(login, files.with_umask(login.read_text()))


def _keygen(path: Path, comment: str) -> None:
    for half in (path, path.with_name(f"{path.name}.pub")):
        half.unlink(missing_ok=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)


def _let_in(root: Path, key: str) -> None:
    """authorized_keys of every user, owned as sshd's StrictModes wants it."""
    passwd = (root / "etc/passwd").read_text()
    for user in _USERS:
        entry = re.search(rf"^{user}:[^:]*:(\d+):(\d+):[^:]*:([^:]+):", passwd, re.M)
        if entry is None:
            raise LabError(root / "etc/passwd", f"has no user {user}", "remove the cached image it came from")
        owner = {"user": int(entry[1]), "group": int(entry[2])}
        home = root / entry[3].lstrip("/") / ".ssh"
        home.mkdir(mode=0o700, exist_ok=True)
        write(home / "authorized_keys", f"{key}\n", 0o600)
        for path in (home, home / "authorized_keys"):
            shutil.chown(path, **owner)


def clear(lab: Lab) -> None:
    """Remove whatever was half made."""
    for partial in (lab.dir / "hosts").glob(".*.partial"):
        shutil.rmtree(partial)


def remove(lab: Lab, host: str) -> None:
    """Remove a host's directory; its name goes first, so that a half-removed host never looks complete."""
    home, going = lab.host_dir(host), lab.host_dir(host).with_name(f".{host}.partial")
    if home.exists():
        if going.exists():
            shutil.rmtree(going)
        home.rename(going)
    if going.exists():
        shutil.rmtree(going)


def made(lab: Lab) -> list[str]:
    """The complete hosts of a lab, in order."""
    names = [path.name for path in (lab.dir / "hosts").glob("lk*")]
    return sorted(names, key=lambda name: int(name.removeprefix("lk")))
