"""Between an inventory file and pyinfra: `hosts = load(site, __file__)` is the last line of every inventory.

The site is checked here, before the first connection; deploy.py, which pyinfra runs once per host, asks ``current()``.
"""

from __future__ import annotations

import contextlib
import runpy
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.site import loading
from livekit_metal.site.host import Host
from livekit_metal.site.model import Site

KEEPALIVE = 30  # s: below what firewalls and NAT between the operator and a host wait before they forget a connection
# RSA over SHA-1, which paramiko 4 still takes for host keys and uses for ours (CVE-2026-44405; RFC 8332 has better).
_BROKEN = {"keys": ["ssh-rsa"], "pubkeys": ["ssh-rsa"]}
_current: list[Site] = []
_given: list[tuple[Mapping[str, Any], Path]] = []  # what it was made of


def load(site: Mapping[str, Any], file: str) -> list[tuple[str, dict[str, Any]]]:
    """pyinfra's hosts of a site described as plain data in the inventory ``file``.

    Ends the program with every error found when there is one: pyinfra has connected nowhere yet.
    """
    path = Path(file).resolve()
    try:
        made = loading.load(site, path.stem, path.parent)
    except SiteError as error:
        raise SystemExit(f"{file}: nothing was changed\n{error}") from error
    _current[:], _given[:] = [made], [(site, path)]
    return [(name, _login(host)) for name, host in made.hosts.items()]


def current() -> Site:
    """The site of this run. Ends the program when pyinfra was started without one of our inventories."""
    if not _current:
        remedy = "run `pyinfra inventories/NAME.py …` with a file whose last line is `hosts = load(site, __file__)`"
        raise SystemExit(str(Problem("inventory", "describes no site", remedy)))
    return _current[0]


def again(found: Mapping[str, str]) -> Site:
    """The site of this run with addresses of hosts as they are now. Raises SiteError."""
    data, path = _given[0]
    return told(loading.load(data, path.stem, path.parent, found))


def told(site: Site) -> Site:
    """``site``, which is that of this run from now on."""
    _current[:] = [site]
    return site


def read(file: str | Path) -> Site:
    """The site of an inventory file, for programs other than pyinfra (tests, `python -m procedures.…`)."""
    _current.clear()
    runpy.run_path(str(file))
    return current()


def _login(host: Host) -> dict[str, Any]:
    """Host data for pyinfra's SSH connector."""
    data: dict[str, Any] = {
        "ssh_hostname": host.address,
        "ssh_user": host.ssh.user,
        "ssh_port": host.ssh.port,
        "ssh_strict_host_key_checking": "yes",  # pyinfra's default would accept any unknown key
        "ssh_paramiko_connect_kwargs": {"transport_factory": nodelay, "disabled_algorithms": _BROKEN},
    }
    if host.ssh.user != "root":
        data["_sudo"] = True
    files = {"key": host.ssh.key, "known_hosts_file": host.ssh.known_hosts, "config_file": host.ssh.config}
    data |= {f"ssh_{what}": str(Path(file).expanduser()) for what, file in files.items() if file}
    return data


def nodelay(sock: Any, **kwargs: Any) -> Any:
    """A paramiko transport without Nagle's algorithm: 2.6 ms per remote command instead of 45 (measured).

    It says something every :data:`KEEPALIVE` seconds: a host may wait an hour for its turn. What goes to a host behind
    a jump host keeps that one's connection alive as well. OpenSSH's own `ServerAliveInterval` goes before it.
    """
    import paramiko  # noqa: PLC0415 - a site opens no connections and loads nothing that does

    with contextlib.suppress(AttributeError, OSError):  # a jump host's channel is no socket
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(sock, **kwargs)
    transport.set_keepalive(KEEPALIVE)
    return transport
