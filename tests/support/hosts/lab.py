"""The deployed lab that host and online tests look at."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

from lab import state
from lab.places import DEFAULT_NAME
from livekit_metal.site import inventory
from livekit_metal.site.model import Site

ROOT = Path(__file__).parents[3]
INVENTORY = os.environ.get("INVENTORY", "inventories/lab.py")


@dataclass(frozen=True)
class Lab:
    """Facts of the lab (`python -m lab up`), what it should be (the site), and how to reach it (access)."""

    site: Site
    directory: Path
    facts: dict[str, Any]
    access: dict[str, Any]


@cache
def lab() -> Lab:
    """The lab of this run (LAB and INVENTORY choose another); the tests end here when there is none."""
    try:
        site = inventory.read(ROOT / INVENTORY)
        facts = state.facts()
        access = json.loads((Path(facts["directory"]) / "access.json").read_text())
    except (SystemExit, OSError) as error:
        pytest.exit(f"tests/host and tests/online need a deployed lab: run `make lab` ({error})", returncode=3)
    return Lab(site, Path(facts["directory"]), facts, access)


def first_with(role: str) -> str:
    """The first host with ``role``; the tests end here when there is none."""
    hosts = lab().site.with_role(role)
    if not hosts:
        needed = f"a lab with the role {role}: tests/README.md says which inventory has one"
        pytest.exit(f"these tests need {needed} (this one is of {INVENTORY})", returncode=3)
    return hosts[0]


def beside(letter: str) -> str:
    """The name of one more lab, for a test that needs hosts of its own: other checkouts may run the same test here."""
    return os.environ.get("LAB", DEFAULT_NAME)[:6] + letter


@cache
def over_ssh(name: str) -> Host:
    """A lab host over OpenSSH (not pyinfra's paramiko: an independent way in), one shared connection."""
    directory = lab().directory
    extra = f"-o ControlMaster=auto -o ControlPersist=60 -o ControlPath={directory}/ssh-%C"
    return testinfra.get_host(f"ssh://root@{name}", ssh_config=str(directory / "ssh_config"), ssh_extra_args=extra)
