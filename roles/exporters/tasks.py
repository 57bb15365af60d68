"""Exporters: install is base's; configure, start, prove by the metric that only a working exporter gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from operator import or_

from pyinfra.api.host import Host

from roles._kit import files, plan
from roles._kit.files import File
from roles._kit.look import Seen
from roles._kit.plan import Part, Todo
from roles._kit.ready import until
from roles._kit.service import SMALL, UNITS, Service
from roles.exporters.settings import NODE_UNIT, REDIS_UNIT, Settings

Proof = Callable[[Host], object]
# redis_exporter answers without Redis too: redis_up says whether its password is right
_GIVES = 'curl -fsS -m 5 "http://$1/metrics" | grep "^$2"'


def activate(settings: Settings) -> Part:
    """Have node_exporter run, and redis_exporter where a Redis is."""
    services = [_node(settings), *([_redis(settings)] if settings.redis_address else [])]

    def todo(seen: Seen) -> Todo:
        return plan.join(_todo(service, proof, seen) for service, proof in services)

    return Part("exporters", reduce(or_, (service.needs for service, _ in services)), todo)


def _todo(service: Service, proof: Proof, seen: Seen) -> Todo:
    name, outcome = service.unit.removeprefix("livekit-").removesuffix(".service"), service.outcome(seen)
    return Todo(service.steps(seen, proof), f"{name} {outcome}" if outcome else "")


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


def _gives(host: Host, unit: str, listen: str, metric: str) -> None:
    until(host, f"{metric.rstrip('{')} at http://{listen}/metrics", unit, _GIVES, listen, metric)
