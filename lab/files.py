"""The texts a lab consists of, as pure functions: what lands in its directory and on each host."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from lab.places import Lab, beside, gateway, host_address, network6, outside_address

UMASK = "027"  # of a hardened host (CIS Debian Linux Benchmark, 5.4.3.3)


def facts(lab: Lab, release: str, network: IPv4Network, hosts: Iterable[str], *, hardened: bool = False) -> str:
    """``lab.json``: plain facts for inventories and tests. ``login`` is who deploys."""
    content: dict[str, Any] = {
        "name": lab.name,
        "release": release,
        "hardened": hardened,
        "login": "operator" if hardened else "root",
        "network": str(network),
        "gateway": str(gateway(network)),
        "hosts": {
            host: {"address": str(at), "ipv6": str(beside(network, at))}
            for host, at in ((host, host_address(network, host)) for host in hosts)
        },
        "outside": {"namespace": lab.outside, "address": str(outside_address(network))},
    }
    return json.dumps(content, indent=2) + "\n"


def ssh_config(lab: Lab, addresses: Mapping[str, IPv4Address]) -> str:
    """For ``ssh -F``: every host by name, its key known beforehand."""
    blocks = [f"Host {host}\n    HostName {address}\n" for host, address in addresses.items()]
    blocks.append(
        "Host *\n"
        "    User root\n"
        f'    IdentityFile "{lab.dir}/id_ed25519"\n'
        "    IdentitiesOnly yes\n"
        f'    UserKnownHostsFile "{lab.dir}/known_hosts"\n'
        "    GlobalKnownHostsFile /dev/null\n"
        "    StrictHostKeyChecking yes\n"
        "    UpdateHostKeys no\n"
        "    ConnectTimeout 10\n"
    )
    return "\n".join(blocks)


def known_hosts(addresses: Mapping[str, IPv4Address], keys: Mapping[str, str]) -> str:
    """One line per host, under its name and its address. ``keys`` maps to the text of the public host key."""
    lines = []
    for host, address in addresses.items():
        kind, key = keys[host].split()[:2]
        lines.append(f"{host},{address} {kind} {key}\n")
    return "".join(lines)


def networkd(network: IPv4Network, address: IPv4Address) -> str:
    """The host's ``10-host0.network``; it must sort before systemd's own 80-container-host0.network."""
    return (
        "[Match]\nName=host0\n\n"
        f"[Network]\nAddress={address}/{network.prefixlen}\nGateway={gateway(network)}\n"
        "DHCP=no\nLinkLocalAddressing=ipv6\nIPv6AcceptRA=no\n\n"
        f"[Address]\nAddress={beside(network, address)}/{network6(network).prefixlen}\n"
        "DuplicateAddressDetection=none\n"
    )


def etc_hosts(host: str) -> str:
    """As Debian's installer writes it: the host's own name on 127.0.1.1, nobody else's."""
    return (
        f"127.0.0.1\tlocalhost\n127.0.1.1\t{host}\n\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
    )


def with_umask(login_defs: str) -> str:
    """login.defs(5) with the umask that hardening guides ask for."""
    return re.sub(r"^(UMASK\s+)\d+", rf"\g<1>{UMASK}", login_defs, flags=re.MULTILINE)


def pam_umask(common_session: str, *, but_root: bool) -> str:
    """A stack of pam.d(5) whose sessions get that umask; ``but_root``: not those of root."""
    skip = "session [success=1 default=ignore] pam_succeed_if.so quiet user = root\n" if but_root else ""
    return f"{common_session}{skip}session optional pam_umask.so umask={UMASK}\n"


def nat_table(lab: Lab, network: IPv4Network) -> str:
    """The outer machine's nft table: what leaves the lab's network leaves with the machine's own address."""
    return (
        f"table ip {lab.table} {{\n"
        f'    comment "{lab.mark}"\n'
        "    chain postrouting {\n"
        "        type nat hook postrouting priority srcnat;\n"
        f'        ip saddr {network} oifname != "{lab.bridge}" masquerade\n'
        "    }\n"
        "}\n"
    )


def table_of(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows of text as columns."""
    listed = list(rows)
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in listed)
    return "\n".join(line.rstrip() for line in lines)
