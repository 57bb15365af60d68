"""The changes that a call must survive."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.places import NETWORKS
from livekit_metal.call.forced_path import PATHS, Path
from tests.support.hosts.deploys import Told, merged
from tests.support.values.sites import MOVED
from tests.upgrade.ground import Ground

Settings = Mapping[str, Any]

ROLLBACK = "procedures/rollback.py"
# Everything with a number.
_RANGES = ("signal", "metrics", "debug", "ice_tcp", "media_udp", "turn_udp", "turn_tls", "turn_relay")
PORTS: Settings = {
    "livekit": {name: MOVED["livekit"][name] for name in _RANGES},
    "edge": MOVED["edge"],
    "redis": {"port": MOVED["redis"]["port"]},
    "exporters": MOVED["exporters"],
    "prometheus": MOVED["prometheus"],
}

# Shell text. What the process runs that is active and does not drain: its arguments.
_ACTIVE = "systemctl list-units --plain --no-legend --state=active 'livekit-server@*' | cut -d ' ' -f 1"
_PID = f"$(systemctl show -p MainPID --value $({_ACTIVE}))"
PROGRAM = f"readlink /proc/{_PID}/exe"
ROOM = f"tr '\\0' '\\n' </proc/{_PID}/cmdline | grep -x '.*[abc].yaml' | xargs grep empty_timeout"
PASSWORD = f"tr '\\0' '\\n' </proc/{_PID}/environ | grep ^REDIS_PASSWORD= | sha256sum"
LISTENERS = "ss -Hltn '! sport = :22' | awk '{print $4}' | sort -u"
EDGE = "curl -s http://$(ss -Hltn 'sport = :8404' | awk '{print $4}')/metrics | grep ^haproxy_process_max_connections"
ADMINS = "nft list set inet livekit_metal admin4"
CERTIFICATE = "grep -o ' crt [^ ]*' /etc/livekit-metal/edge/haproxy.cfg | sort -u"
TTL = f"tr '\\0' '\\n' </proc/{_PID}/cmdline | grep -x '.*[abc].yaml' | xargs grep ttl_seconds"
REDIS = "systemctl show -p MainPID livekit-redis"


Change = Callable[[Settings], Settings]  # what the site has before, unlike its own inventory -> what it has afterwards


def plus(**settings: Any) -> Change:
    """Other settings, besides what there is."""
    return lambda before: merged(before, settings)


def exactly(settings: Settings) -> Change:
    """These, and nothing else that is unlike the site's own inventory."""
    return lambda before: settings


def holds(settings: Settings, others: Settings) -> bool:
    """Whether ``others`` are part of ``settings``."""
    return merged(settings, others) == settings


@dataclass(frozen=True, kw_only=True)
class Row:
    """A change under a call. Its data says what is done; run.py does it the same way for all.

    A row begins where the one before it ended: what was changed stays, which saves the way back. What it needs besides
    is its ``base``; where that is not so, or more is there and it must be ``alone``, the site gets this and no more.
    """

    name: str  # for the command line
    change: str  # for the table
    shows: str  # shell text on the first host; an answer that is the same afterwards means that nothing was changed
    after: Change = plus()
    do: Callable[[Ground, Settings], Told] = Ground.become  # makes the change, given what the site shall have
    base: Settings = field(default_factory=dict)  # what the site must have before
    alone: bool = False  # and nothing else unlike its own inventory
    before: Callable[[], Settings] = dict  # makes what it has before only, besides
    hosts: tuple[int, ...] = (1, 3)  # the sizes of site that it is for
    grows_to: int = 0  # the size that the change gives the site
    new_slot: bool = True  # new sessions go to another process afterwards, and the call keeps its own
    through: int = 0  # the host that the clients enter through; the room is on the first
    paths: tuple[Path | None, ...] = (None,)  # a call each, whose media may go this way only; None: any
    needs: str = ""  # a file of the project without which there is nothing to try
    back: Callable[[Ground], None] = Ground.settle

    def begins(self, there: Settings) -> Settings:
        """What the site has before, given what it has now."""
        return there if not self.alone and holds(there, self.base) else self.base


def _grow(ground: Ground, after: Settings) -> Told:
    ground.up(3)
    return ground.become(after)


def _new_password(ground: Ground, after: Settings) -> Told:
    told = ground.secrets("rotate", "redis")
    return told if told.status else ground.become(after)


def _retire_password(ground: Ground) -> None:
    ground.drained()  # a slot from before the rotation uses the old one
    ground.secrets("retire", "redis")
    ground.settle()


def _another() -> Settings:
    """Settings of their own each time: what was rolled back once is refused from then on."""
    return {"livekit": {"room": {"empty_timeout": 400 + int(time.time()) % 86400}}}


_OLD = {"livekit": {"release": "1.13.4"}}
_EMPTY = {"room": {"empty_timeout": 301}}
_TLS = {"edge": {"tls": "internal"}}
_EVERY_PATH = _TLS | {"livekit": {"turn": {"domain": "{host}.turn.test", "udp_443": True}}}
_FEWER = {"max_connections": 4000, "max_rate_per_address": 190}  # fewer than a container may have

ROWS = (
    Row(name="ports", change="every port moved", base=merged(PORTS, _OLD), after=exactly(_OLD), shows=LISTENERS),
    Row(
        name="upgrade",
        change="upgrade 1.13.4 to 1.13.5",
        base=_OLD,
        after=plus(livekit={"release": "1.13.5"}),
        shows=PROGRAM,
    ),
    Row(name="config", change="config change", after=plus(livekit=_EMPTY), shows=ROOM),
    Row(
        name="rollback",
        change="rollback",
        before=_another,
        do=lambda ground, _: ground.run(ROLLBACK),
        shows=ROOM,
        needs=ROLLBACK,
    ),
    Row(name="edge", change="HAProxy change (reload)", after=plus(edge=_FEWER), shows=EDGE, new_slot=False),
    Row(
        name="firewall",
        change="firewall change",
        after=plus(firewall={"admin": [str(NETWORKS), "198.51.100.0/24"]}),
        shows=ADMINS,
        new_slot=False,
    ),
    Row(
        name="redis-restart",
        change="Redis restart",
        do=lambda ground, _: ground.on_first("systemctl restart livekit-redis"),
        shows=REDIS,
        new_slot=False,
    ),
    Row(
        name="redis-password",
        change="Redis password change",
        do=_new_password,
        shows=PASSWORD,
        back=_retire_password,
    ),
    Row(name="tls", change="from plain HTTP to TLS", after=plus(**_TLS), shows=LISTENERS, new_slot=False),
    Row(
        name="paths",
        change="config change",
        base=_EVERY_PATH,
        after=plus(livekit=_EMPTY),
        shows=ROOM,
        paths=PATHS,
    ),
    Row(
        name="paths-turn",
        change="TURN change",
        base=_EVERY_PATH,
        after=plus(livekit={"turn": {"ttl": "10m"}}),
        shows=TTL,
        paths=PATHS,
    ),
    Row(
        name="paths-edge",
        change="HAProxy change (reload)",
        base=_EVERY_PATH,
        after=plus(edge=_FEWER),
        shows=EDGE,
        new_slot=False,
        paths=PATHS,
    ),
    Row(
        name="paths-certificate",
        change="another certificate",
        base=_EVERY_PATH,
        after=plus(edge={"certificate_days": 90}),
        shows=CERTIFICATE,
        new_slot=False,
        paths=PATHS,
    ),
    Row(
        name="growth",
        change="growth from one host to three",
        do=_grow,
        alone=True,  # a CA of before may not sign for names of new hosts
        shows=LISTENERS,
        hosts=(1,),
        grows_to=3,
    ),
    Row(
        name="other-host",
        change="config change, entered through another host",
        base=_EVERY_PATH,
        after=plus(livekit={"room": {"empty_timeout": 302}}),
        shows=ROOM,
        hosts=(3,),
        through=1,
        paths=(None, "turn-udp", "turn-tls"),
    ),
)
