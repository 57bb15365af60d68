"""Which labs this machine has: one claim per lab, so that labs of several checkouts share it in peace.

A claim is ``/run/livekit-metal/NAME.json`` with the lab's directory and network. It is made before anything
else of the lab and removed last. A claim whose directory and bridge are both gone counts for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from lab.places import MACHINE_WIDE, NETWORKS, Lab
from lab.run import LabError, run, write

_LINKS = Path("/sys/class/net")
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_FORWARD_WAS = MACHINE_WIDE / "ip_forward"


def choose_network(taken: Iterable[IPv4Network]) -> IPv4Network:
    """The first /24 of 10.90.0.0/16 that overlaps nothing taken. Raises LabError when all do."""
    busy = list(taken)
    for network in NETWORKS.subnets(new_prefix=24):
        if not any(network.overlaps(other) for other in busy):
            return network
    raise LabError(NETWORKS, "no /24 of it is free on this machine", "remove a route to it (ip route)")


def routed(routes: list[dict[str, Any]], but: str) -> list[IPv4Network]:
    """The destinations of ``ip -j route`` that do not lead over the interface ``but``.

    A route wider than the range we choose from (a default route, a VPN's 10.0.0.0/8) takes nothing: a lab's
    /24 is more specific.
    """
    other = [route["dst"] for route in routes if route.get("dev") != but and route["dst"] != "default"]
    networks = [IPv4Network(destination, strict=False) for destination in other]
    return [network for network in networks if network.prefixlen >= NETWORKS.prefixlen]


def all_claims() -> dict[str, dict[str, Any]]:
    """Name -> claim of every lab of this machine that still has something of its own."""
    claims = {}
    for file in MACHINE_WIDE.glob("*.json"):
        claim = json.loads(file.read_text())
        if Path(claim["dir"]).exists() or (_LINKS / claim["bridge"]).exists():
            claims[file.stem] = claim
    return claims


def refuse_foreign(lab: Lab) -> None:
    """Raises LabError when the lab's name belongs to another checkout."""
    claim = all_claims().get(lab.name)
    if claim and claim["dir"] != str(lab.dir):
        where = "there" if Path(claim["dir"]).exists() else "here, as that directory is gone"
        raise LabError(
            lab.name,
            f"is the name of the lab of {claim['dir']}",
            f"choose another (LAB=NAME), or run 'make lab-down' {where}",
        )


def claim(lab: Lab) -> IPv4Network:
    """This lab's network, claimed now if it was not. Raises LabError when something else has taken it."""
    claims = all_claims()
    mine = claims.pop(lab.name, None)
    used = routed(json.loads(run("ip", "-j", "-4", "route", "show", "table", "all")), but=lab.bridge)
    used += [IPv4Network(other["network"]) for other in claims.values()]
    kept = IPv4Network(mine["network"]) if mine else _recorded(lab)
    if kept and any(kept.overlaps(other) for other in used):
        raise LabError(
            kept,
            f"the lab's network has been taken by something else ({lab.dir})",
            "free it, or run 'make lab-down' and 'make lab'",
        )
    network = kept or choose_network(used)
    lab.dir.mkdir(parents=True, exist_ok=True)  # without it the claim would count for nothing until the bridge is there
    write(_file(lab), json.dumps({"dir": str(lab.dir), "bridge": lab.bridge, "network": str(network)}))
    return network


def removable(lab: Lab) -> Lab:
    """The lab that ``down`` means: this one, or one of its name whose checkout is gone.

    Raises LabError when the name belongs to a checkout that exists.
    """
    claim = all_claims().get(lab.name)
    if claim is None or claim["dir"] == str(lab.dir):
        return lab
    if Path(claim["dir"]).exists():
        raise LabError(lab.name, f"is the name of the lab of {claim['dir']}", "run 'make lab-down' there")
    return Lab(lab.name, Path(claim["dir"]).parent)


def release(lab: Lab) -> None:
    """Give the claim up; the last lab puts ip_forward back if a lab had switched it on."""
    _file(lab).unlink(missing_ok=True)
    if not all_claims() and _FORWARD_WAS.exists():
        _FORWARD.write_text(_FORWARD_WAS.read_text())
        _FORWARD_WAS.unlink()


def forward() -> None:
    """Switch ip_forward on, and remember that it was us."""
    if _FORWARD.read_text().strip() == "0":
        write(_FORWARD_WAS, "0\n")
        _FORWARD.write_text("1\n")


def _file(lab: Lab) -> Path:
    return MACHINE_WIDE / f"{lab.name}.json"


def _recorded(lab: Lab) -> IPv4Network | None:
    """The network this lab had before the machine's reboot took the claim away."""
    facts = lab.dir / "lab.json"
    return IPv4Network(json.loads(facts.read_text())["network"]) if facts.exists() else None
