"""What stands under the calls: a lab, and the inventory that is deployed on it. Everything as an operator does it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab import places
from lab.demo import write_access
from livekit_metal.call.access import Access
from livekit_metal.roles.edge import certificates
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.site import inventory
from livekit_metal.site.model import Site
from tests.support.calls.slots import ENDS, draining
from tests.support.hosts import lab as looked_at
from tests.support.hosts.deploys import DEPLOY, Deploy, Told, merged, variant
from tests.support.hosts.lab import INVENTORY, ROOT, over_ssh
from tests.upgrade.judge import activations

DEPLOYS = 4  # the first changes, the second takes away what old slots still used, the third finds nothing to do
WITHIN = 900.0  # s for a run: the first of another version builds it, which takes minutes


class GroundError(Exception):
    """The lab, or the site on it, is not what a row needs: it would measure something else."""


class Ground:
    """A lab of this machine. ``inventory``, ``site`` and ``access`` are those of the last run of pyinfra.

    ``base`` is what the site has between rows, unlike its own inventory.
    """

    inventory: Path
    site: Site
    access: Access

    def __init__(self, name: str, directory: Path) -> None:
        self.name, self._directory = name, directory
        self.hosts = 0
        self.base: Mapping[str, Any] = {}

    def up(self, hosts: int) -> None:
        """Give the lab this number of hosts; nothing is deployed."""
        self._python("lab", "up", "--hosts", str(hosts))
        looked_at.lab.cache_clear()
        self.hosts = hosts

    def down(self) -> None:
        self._python("lab", "down")

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts that serve calls, in the order of a deploy."""
        return self.site.with_role("livekit")

    @property
    def first(self) -> str:
        return self.names[0]

    def deploy(self, settings: Mapping[str, Any] | None = None, plan: str = DEPLOY) -> Told:
        """A run of pyinfra with the site as it is between rows, but for ``settings``."""
        return self.become(merged(self.base, settings or {}), plan)

    def become(self, settings: Mapping[str, Any], plan: str = DEPLOY) -> Told:
        """A run of pyinfra with ``settings``, and nothing else unlike the site's own inventory."""
        self.inventory = self._written(settings)
        return self.run(plan)

    def _written(self, settings: Mapping[str, Any]) -> Path:
        return variant(self._directory, settings) if settings else ROOT / INVENTORY

    def run(self, plan: str) -> Told:
        """A run of pyinfra with the inventory of the run before."""
        told = Deploy(self.inventory, plan=plan).end(within=WITHIN)
        if told.status:  # who failed half-way still is where it was, as far as a client knows
            return told
        self.site = inventory.read(self.inventory)
        turn = {self.site.of(Livekit).turn.name(name): self.site.hosts[name].public_address for name in self.names}
        self.access = replace(Access.of(self.site), names=turn)
        write_access(places.Lab(self.name), self.site)  # a lab without it does not count as deployed
        return told

    def secrets(self, *words: str) -> Told:
        """``python -m procedures.secrets INVENTORY …``, with the inventory that the site has between rows."""
        return self._told([sys.executable, "-m", "procedures.secrets", str(self._written(self.base)), *words])

    def on_first(self, command: str) -> Told:
        """A command on the first host, which has Redis too."""
        done = over_ssh(self.first).run(command)
        return Told(done.rc, done.stdout + done.stderr)

    def stand_on(self, base: Mapping[str, Any]) -> None:
        """Have ``base`` between rows from now on; nobody is in a call. Raises GroundError."""
        self.base = base
        site = inventory.read(self._written(self.base))
        if not any(certificates.unsigned(site, name) for name in site.hosts):
            self.settle()
            return
        # the CA is of a row before, when the site had other names: followed by another one, as preflight asks for
        for words in (("rotate", "ca"), ("retire", "ca")):
            self._changed(*words)
        self.settle()
        self._changed("retire", "ca")

    def _changed(self, *words: str) -> None:
        told = self.secrets(*words)
        if told.status:
            raise GroundError(f"the secrets cannot be changed ({' '.join(words)}):\n{tail(told.text)}")

    def settle(self) -> None:
        """Have the site as it is between rows deployed, every old slot ended, and nothing left to do.

        Raises GroundError.
        """
        for _ in range(DEPLOYS):
            told = self.deploy()
            if told.status:
                raise GroundError(f"the site cannot be brought back:\n{tail(told.text)}")
            self.drained()
            if {word for word, _ in activations(told.text).values()} == {"unchanged"}:
                return
        raise GroundError(f"deploy {DEPLOYS} of the same site still changes something:\n{tail(told.text)}")

    def drained(self) -> None:
        """Wait until no slot of any host drains. Raises GroundError."""
        end = time.monotonic() + ENDS
        for name in self.names:
            while units := draining(name):
                if time.monotonic() > end:
                    raise GroundError(f"{name}: {', '.join(units)} has not ended {ENDS:.0f} s after the last call")
                time.sleep(0.2)

    def _python(self, *words: str) -> None:
        """Run a module; what it says goes to the screen. Raises GroundError."""
        done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=False)
        if done.returncode:
            raise GroundError(f"`python -m {' '.join(words)}` ended with status {done.returncode}; it said why above")

    def _told(self, command: list[str]) -> Told:
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return Told(done.returncode, done.stdout)


def tail(text: str, lines: int = 25) -> str:
    """The end of what a run said, for people."""
    return "\n".join(f"    | {line}" for line in text.rstrip().splitlines()[-lines:])
