"""A site with everything on its first host, and who owns which directory there: read from the units it renders."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from livekit_metal.roles.acme.tasks import _files as acme_files
from livekit_metal.roles.edge.tasks import _files as edge_files
from livekit_metal.roles.exporters.tasks import _node, _redis
from livekit_metal.roles.firewall.tasks import _boot_files
from livekit_metal.roles.kamailio.tasks import _service as kamailio
from livekit_metal.roles.prometheus.tasks import _service as prometheus
from livekit_metal.roles.redis.forwarder import service as former
from livekit_metal.roles.redis.tasks import _service as redis
from livekit_metal.runtime.host import hidepid
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.slots import reboot_guard
from livekit_metal.runtime.slots.components import components
from livekit_metal.site.model import HostStack, Site
from tests.support.values.sites import CERTIFIED, MOVED, PHONES, RECORDING, streaming

_MADE = {  # systemd.exec(5): directories that systemd makes and gives to the unit's user
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
}


def everything() -> dict[str, Any]:
    """Plain data of the site."""
    data = copy.deepcopy(CERTIFIED | PHONES)
    data["sip"] |= MOVED["sip"]
    data["egress"] = RECORDING | MOVED["egress"]
    data["hosts"]["lk1"]["roles"] += ["sip", "egress"]
    data = streaming(data)
    data["ingress"]["process_list"] = "hide"
    return data


@dataclasses.dataclass(frozen=True)
class Unit:
    """A unit as systemd has it, with its drop-in of a generation."""

    name: str
    text: str

    def all(self, key: str) -> list[str]:
        return re.findall(rf"^{key}=(.*)$", self.text, re.MULTILINE)

    @property
    def user(self) -> str:
        return "somebody" if self.all("DynamicUser") else (self.all("User") or ["root"])[-1]

    @property
    def as_root(self) -> Iterator[str]:
        """The command lines that root runs."""
        joined = re.sub(r" *\\\n *", " ", self.text)
        for key, marks, command in re.findall(r"^(Exec\w+)=([-+:!@]*)(\S.*)$", joined, re.MULTILINE):
            if key not in ("ExecPaths",) and ("+" in marks or self.user == "root"):
                yield command

    @property
    def owned(self) -> Iterator[str]:
        """Directories that belong to its user, and root does not."""
        if self.user == "root":
            return
        for key, base in _MADE.items():
            yield from (f"{base}/{name}" for line in self.all(key) for name in line.split())
        for line in (*self.all("ReadWritePaths"), *self.all("BindPaths")):
            yield from (word.lstrip("-+").partition(":")[0] for word in line.split())


def files(stack: HostStack) -> tuple[File, ...]:
    """All that a deploy writes to the host, but for base and kernel, which have no users."""
    former_redis = dataclasses.replace(stack.redis, former=("192.0.2.11:6379",))  # type: ignore[type-var]
    services = [redis(stack.redis), former(former_redis), kamailio(stack.kamailio), prometheus(stack.prometheus)]  # type: ignore[arg-type]
    services += [_node(stack.exporters)[0], _redis(stack.exporters)[0]]  # type: ignore[arg-type]
    config, edge = edge_files(stack.edge)  # type: ignore[arg-type]
    found = [config, *edge.all_files, *acme_files(stack.acme)]  # type: ignore[arg-type]
    found += [f for service in services for f in service.all_files]
    found += [*reboot_guard.Guard(stack.firewall.config_root).files, *hidepid._files(), *_boot_files(stack.firewall)]
    for each in components(stack).values():
        found += each.generation("/opt/x/1-abc")[1]
    return tuple(found)


def units(stack: HostStack) -> tuple[Unit, ...]:
    """Every unit of the host; those of slots once for each slot."""
    written = {f.path: f.text for f in files(stack)}
    found = [Unit(Path(p).name, t) for p, t in written.items() if p.endswith(".service")]
    for role, each in components(stack).items():
        template = each.units[0].text
        for path, drop_in in written.items():
            if match := re.fullmatch(rf".*/{role}/\w+/slot-(\w+)\.conf", path):
                slot = match[1]
                whole = (template + drop_in).replace("%i", slot).replace("%t", "/run")
                found.append(Unit(each.settings.unit.format(slot), whole))
    return tuple(found)


def owned(site_stack: HostStack) -> frozenset[str]:
    """Every directory that the user of some unit owns."""
    return frozenset(path for unit in units(site_stack) for path in unit.owned)


def stack_of(site: Site) -> HostStack:
    return site.for_host("lk1")
