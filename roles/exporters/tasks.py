"""Exporters: install is base's; configure, start, prove by the metric that only a working exporter gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from operator import or_

from pyinfra.api.host import Host

from livekit_metal.core import records, shell
from livekit_metal.roles.exporters.settings import DESCRIBED, METRICS_UNIT, NODE_UNIT, REDIS_UNIT, Settings
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.old_code import OURS, SCRIPT
from livekit_metal.runtime.host.service import SMALL, UNITS, Service
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.host.wait import until
from livekit_metal.runtime.run import lock_script, task
from livekit_metal.runtime.run.task import Plan, Task

_DEPLOY_STATE = shell.program(__file__, "deploy-state")
Proof = Callable[[Host], object]
# redis_exporter answers without Redis too: redis_up says whether its password is right
_COUNTS = "grep -qs '^livekit_metal_old_code' /run/$1/livekit.prom || return 1"  # grep's 2 would mean: no use to wait
_GIVES = 'curl -fsS -m 5 "http://$1/metrics" | grep "^$2"'


@dataclass(frozen=True, slots=True)
class _Script:
    """What host-metrics.sh sees."""

    deploy_state: str
    old_code: str = SCRIPT.strip()
    processes: str = OURS
    interval: int = 30  # s: what alerts about drains and deploys are told
    seldom: int = 300  # s: between looks for old code
    described: tuple[tuple[str, str], ...] = DESCRIBED


def activate(settings: Settings) -> Task:
    """Have node_exporter run with what it does not collect itself, and redis_exporter where a Redis is."""
    services = [_metrics(settings), _node(settings), *([_redis(settings)] if settings.redis_address else [])]

    def todo(seen: HostState) -> Plan:
        return task.join(_todo(service, proof, seen) for service, proof in services)

    return Task("exporters", reduce(or_, (service.needs for service, _ in services)), todo)


def _todo(service: Service, proof: Proof, seen: HostState) -> Plan:
    name, outcome = service.unit.removeprefix("livekit-").removesuffix(".service"), service.outcome(seen)
    return Plan(service.actions(seen, proof), f"{name} {outcome}" if outcome else "")


def _metrics(settings: Settings) -> tuple[Service, Proof]:
    unit = files.text("exporters/livekit-host-metrics.service.j2", exporters=settings)
    script = files.text("exporters/host-metrics.sh.j2", exporters=_Script(_deploy_state(settings)))
    proof = partial(_counts, settings=settings)
    return Service(
        METRICS_UNIT, (File(f"{UNITS}/{METRICS_UNIT}", unit), File(settings.metrics_script, script)), limits=SMALL
    ), proof


def _node(settings: Settings) -> tuple[Service, Proof]:
    text = files.text("exporters/livekit-node-exporter.service.j2", exporters=settings)
    proof = partial(_gives, unit=NODE_UNIT, listen=settings.node_listen, metric="node_uname_info{")
    return Service(NODE_UNIT, (File(f"{UNITS}/{NODE_UNIT}", text),), limits=SMALL), proof


def _redis(settings: Settings) -> tuple[Service, Proof]:
    text = files.text("exporters/livekit-redis-exporter.service.j2", exporters=settings)
    password = files.text("exporters/redis-exporter.env.j2", exporters=settings)
    secret = File(settings.redis_environment, password, "600", secret=True)
    proof = partial(_gives, unit=REDIS_UNIT, listen=settings.redis_listen, metric="redis_up 1")
    return Service(REDIS_UNIT, (File(f"{UNITS}/{REDIS_UNIT}", text), secret), limits=SMALL), proof


def _deploy_state(settings: Settings) -> str:
    words = [settings.active_file, records.maintenance(settings.config_root), records.AUDIT, lock_script.LOCK, OURS]
    for each in settings.slotted:
        words += ["slots", each.component, each.unit.replace("{}", "%s"), each.generations, each.drop_in]
    for kept in settings.kept:
        words += ["kept", kept.component, kept.kind, kept.directory]
    return shell.given(_DEPLOY_STATE, *words).strip()


def _counts(host: Host, settings: Settings) -> None:
    until(host, f"/run/{settings.metrics_runtime} has metrics", METRICS_UNIT, _COUNTS, settings.metrics_runtime)


def _gives(host: Host, unit: str, listen: str, metric: str) -> None:
    until(host, f"{metric.rstrip('{')} at http://{listen}/metrics", unit, _GIVES, listen, metric)
