"""The lab's network on the outer machine: a bridge, masquerading in an nft table of its own, ``outside``.

``outside`` is a network namespace on the bridge with an address that is no host's: the place that tests of a
firewall send from. Ours is what has our name *and* our mark (the bridge's alias, the table's comment);
anything else of that name is refused and left alone.
"""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

from lab import claims, files
from lab.places import Lab, beside, gateway, network6, outside_address
from lab.run import LabError, run, say, succeeds, wait_until

UNPLUG_SECONDS = 3.0


def refuse_foreign(lab: Lab) -> None:
    """Raises LabError when a name of ours belongs to somebody else."""
    remedy = "choose another name for this lab (LAB=NAME), or delete it"
    if (alias := _alias(lab)) not in (None, lab.mark):
        raise LabError(f"interface {lab.bridge}", f"exists and is not ours (its alias is {alias!r})", remedy)
    if _has_table(lab) and not _owns_table(lab):
        raise LabError(f"nft table ip {lab.table}", "exists and is not ours (by its comment)", remedy)


def up(lab: Lab, network: IPv4Network) -> None:
    """Make what is missing and leave what is right."""
    claims.forward()
    _bridge(lab, network)
    if not _has_table(lab):
        run("nft", "-f", "-", stdin=files.nat_table(lab, network))
    up_outside(lab, network)


def up_outside(lab: Lab, network: IPv4Network) -> None:
    """Make ``outside``, on a bridge that is there."""
    if not _outside_is_right(lab, network):
        _make_outside(lab, network)


def dropping(listing: str) -> list[str]:
    """The chains in ``nft -j list chains`` that drop forwarded packets by policy, as ``nft`` names them."""
    chains = [entry["chain"] for entry in json.loads(listing)["nftables"] if "chain" in entry]
    return [
        f"{chain['family']} {chain['table']} {chain['name']}"
        for chain in chains
        if chain.get("hook") == "forward" and chain.get("policy") == "drop" and chain["family"] != "ip6"
    ]


def warn_of_firewalls(lab: Lab) -> None:
    """Say so when this machine's own firewall may keep the hosts from the archive; it is not ours to change."""
    for chain in dropping(run("nft", "-j", "list", "chains")):
        say(
            f"this machine's chain {chain} drops forwarded packets: apt in the hosts fails unless it lets "
            f"{lab.bridge} through (where Docker made it: iptables -I DOCKER-USER -i {lab.bridge} -j ACCEPT; "
            f"iptables -I DOCKER-USER -o {lab.bridge} -j ACCEPT)"
        )


def down(lab: Lab) -> None:
    """Remove everything of ours; what is gone already is no error."""
    _remove_outside(lab)
    if _owns_table(lab):
        run("nft", "delete", "table", "ip", lab.table)
    if _alias(lab) == lab.mark:
        run("ip", "link", "delete", lab.bridge)
    if (Path("/sys/class/net") / lab.new_bridge).exists():
        run("ip", "link", "delete", lab.new_bridge)


def attach(lab: Lab, host: str) -> None:
    """Put a running host's link back on the bridge, which was made again."""
    link = Path("/sys/class/net") / lab.link(host)
    if link.exists() and not (link / "brport").exists():
        say(f"{host}: its link was on no bridge; putting it back")
        run("ip", "link", "set", lab.link(host), "master", lab.bridge, "up")


def unplug(lab: Lab, host: str) -> None:
    """Return when the link of a host without processes is gone; it goes by itself, if nothing keeps it.

    A connection that was closed with something unacknowledged (its peer is gone as well, or a firewall is between)
    keeps the host's namespace, and the link with it, for the minutes that the kernel goes on sending.
    """
    link = Path("/sys/class/net") / lab.link(host)
    if not wait_until(lambda: not link.exists(), UNPLUG_SECONDS):
        succeeds("ip", "link", "delete", link.name)  # that it went this very moment is no error
        if link.exists():
            raise LabError(f"interface {link.name}", "cannot be deleted", "reboot this machine")


def _alias(lab: Lab) -> str | None:
    """The bridge's mark; None when there is no such interface."""
    file = Path("/sys/class/net") / lab.bridge / "ifalias"
    return file.read_text().strip() if file.exists() else None


def _has_table(lab: Lab) -> bool:
    return succeeds("nft", "list", "table", "ip", lab.table)


def _owns_table(lab: Lab) -> bool:
    return _has_table(lab) and f'comment "{lab.mark}"' in run("nft", "list", "table", "ip", lab.table)


def _bridge(lab: Lab, network: IPv4Network) -> None:
    if _alias(lab) is None:
        new = lab.new_bridge  # a bridge takes its mark only after it was made: until then it has another name
        if (Path("/sys/class/net") / new).exists():
            run("ip", "link", "delete", new)
        # an address of its own: else it has the lowest of its ports', and when that host dies, the others look for the
        # gateway at an address that is gone, for half a minute
        address = "02:00:" + ":".join(f"{byte:02x}" for byte in gateway(network).packed)
        run("ip", "link", "add", "name", new, "address", address, "type", "bridge", "forward_delay", "0")
        run("ip", "link", "set", new, "alias", lab.mark)
        run("ip", "link", "set", new, "name", lab.bridge)
    run("ip", "address", "replace", f"{gateway(network)}/{network.prefixlen}", "dev", lab.bridge)
    run("ip", "link", "set", lab.bridge, "up")
    if Path("/proc/net/if_inet6").exists():
        six = f"{beside(network, gateway(network))}/{network6(network).prefixlen}"
        run("ip", "address", "replace", six, "dev", lab.bridge, "nodad")


def _outside_is_right(lab: Lab, network: IPv4Network) -> bool:
    """The namespace's link is on our bridge and the namespace sends from its own address."""
    if not (Path("/sys/class/net") / lab.outside_link / "brport").exists():
        return False
    return succeeds(
        *("ip", "netns", "exec", lab.outside, "ip", "route", "get", str(gateway(network))),
        *("from", str(outside_address(network))),
    )


def _make_outside(lab: Lab, network: IPv4Network) -> None:
    _remove_outside(lab)
    run("ip", "netns", "add", lab.outside)
    inside = ("ip", "-n", lab.outside)
    run("ip", "link", "add", lab.outside_link, "type", "veth", "peer", "name", "eth0", "netns", lab.outside)
    run(*inside, "address", "add", f"{outside_address(network)}/{network.prefixlen}", "dev", "eth0")
    for link in ("lo", "eth0"):
        run(*inside, "link", "set", link, "up")
    run(*inside, "route", "add", "default", "via", str(gateway(network)))
    run("ip", "link", "set", lab.outside_link, "master", lab.bridge, "up")


def _remove_outside(lab: Lab) -> None:
    if (Path("/sys/class/net") / lab.outside_link).exists():
        run("ip", "link", "delete", lab.outside_link)
    if (Path("/run/netns") / lab.outside).exists():
        run("ip", "netns", "delete", lab.outside)
