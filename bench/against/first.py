"""A first deploy of ours and of the playbook, in turns, on a lab that is made again for each run."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from bench import labs
from bench.against.tree import wanted
from bench.against.ways import ROOT, Hosts, ansible, needs_python, ours
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.site import inventory as inventories

_DAYS = 15  # Prometheus' default


def first(hosts: Hosts, directory: Path, inventory: str, runs: int) -> Mapping[str, list[float]]:
    """Way -> seconds of each run. The lab of ``hosts`` is deployed before, so that the playbook knows what to bring.

    Ansible's python3 and python3-apt are there before its time begins, and it gets the files that ours has made. Ends
    the program when LiveKit does not answer after a run, or the playbook finds something left to do.
    """
    ours(hosts, _DAYS)
    has = wanted(hosts, _DAYS, directory)
    found: dict[str, list[float]] = {"livekit-metal": [], "ansible": [], "mitogen": []}
    try:
        for _ in range(runs):
            for way, took in found.items():
                fresh = _again(hosts, inventory)
                if way == "livekit-metal":
                    took.append(ours(fresh, _DAYS)[0])
                else:
                    needs_python(fresh)
                    took.append(ansible(fresh, has, directory, mitogen=way == "mitogen")[0])
                    if changed := ansible(fresh, has, directory, mitogen=True)[1]:
                        sys.exit(f"{way} left {changed} things to do")
                _answers(fresh, inventory)
    finally:
        labs.remove()
    return found


def _again(hosts: Hosts, inventory: str) -> Hosts:
    """As many hosts of the same addresses, that nothing was deployed on."""
    labs.fresh(len(hosts.at))
    fresh = Hosts.of_lab(inventory)
    if fresh.at != hosts.at:
        sys.exit(f"the lab has got other addresses ({fresh.at}), which are in the playbook's files; run it again")
    return fresh


def _answers(hosts: Hosts, inventory: str) -> None:
    site = inventories.read(ROOT / inventory)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for name, (address, _) in hosts.at.items():
        with direct.open(f"http://{address}:{site.for_host(name).the(Edge).http.first}", timeout=30) as answer:
            answer.read()
