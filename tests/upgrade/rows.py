"""The changes that a call must survive."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lab.places import NETWORKS
from livekit_metal.call.forced_path import PATHS, Path
from tests.support.hosts.deploys import Told
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


@dataclass(frozen=True, kw_only=True)
class Row:
    """A change under a call. Its data says what is done; run.py does it the same way for all."""

    name: str  # for the command line
    change: str  # for the table
    do: Callable[[Ground], Told]
    shows: str  # shell text on the first host; an answer that is the same afterwards means that nothing was changed
    base: Settings = field(default_factory=dict)  # what the site has before and after, unlike its own inventory
    before: Callable[[], Settings] = dict  # makes what it has before only, besides
    hosts: tuple[int, ...] = (1, 3)  # the sizes of site that it is for
    grows_to: int = 0  # the size that the change gives the site
    new_slot: bool = True  # new sessions go to another process afterwards, and the call keeps its own
    through: int = 0  # the host that the clients enter through; the room is on the first
    paths: tuple[Path | None, ...] = (None,)  # a call each, whose media may go this way only; None: any
    needs: str = ""  # a file of the project without which there is nothing to try
    back: Callable[[Ground], None] = Ground.settle


def deploys(**settings: Any) -> Callable[[Ground], Told]:
    """Deploy the site as it is between rows with other settings."""
    return lambda ground: ground.deploy(settings)


def _grow(ground: Ground, hosts: int) -> Told:
    ground.up(hosts)
    return ground.deploy()


def _new_password(ground: Ground) -> Told:
    told = ground.secrets("rotate", "redis")
    return told if told.status else ground.deploy()


def _retire_password(ground: Ground) -> None:
    ground.drained()  # a slot from before the rotation uses the old one
    ground.secrets("retire", "redis")
    ground.settle()


def _another() -> Settings:
    """Settings of their own each time: what was rolled back once is refused from then on."""
    return {"livekit": {"room": {"empty_timeout": 400 + int(time.time()) % 86400}}}


_EMPTY = {"room": {"empty_timeout": 301}}
_TLS = {"edge": {"tls": "internal"}}
_EVERY_PATH = _TLS | {"livekit": {"turn": {"domain": "{host}.turn.test", "udp_443": True}}}
_FEWER = {"max_connections": 4000, "max_rate_per_address": 190}  # fewer than a container may have

ROWS = (
    Row(name="config", change="config change", do=deploys(livekit=_EMPTY), shows=ROOM),
    Row(name="ports", change="every port moved", do=deploys(**PORTS), shows=LISTENERS),
    Row(
        name="upgrade",
        change="upgrade 1.13.4 to 1.13.5",
        before=lambda: {"livekit": {"release": "1.13.4"}},
        do=deploys(livekit={"release": "1.13.5"}),
        shows=PROGRAM,
    ),
    Row(
        name="rollback",
        change="rollback",
        before=_another,
        do=lambda ground: ground.run(ROLLBACK),
        shows=ROOM,
        needs=ROLLBACK,
    ),
    Row(
        name="edge",
        change="HAProxy change (reload)",
        do=deploys(edge=_FEWER),
        shows=EDGE,
        new_slot=False,
    ),
    Row(
        name="tls",
        change="from plain HTTP to TLS",
        do=deploys(**_TLS),
        shows=LISTENERS,
        new_slot=False,
    ),
    Row(
        name="firewall",
        change="firewall change",
        do=deploys(firewall={"admin": [str(NETWORKS), "198.51.100.0/24"]}),
        shows=ADMINS,
        new_slot=False,
    ),
    Row(
        name="redis-restart",
        change="Redis restart",
        do=lambda ground: ground.on_first("systemctl restart livekit-redis"),
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
    Row(
        name="paths",
        change="config change",
        base=_EVERY_PATH,
        do=deploys(livekit=_EMPTY),
        shows=ROOM,
        paths=PATHS,
    ),
    Row(
        name="paths-turn",
        change="TURN change",
        base=_EVERY_PATH,
        do=deploys(livekit={"turn": {"ttl": "10m"}}),
        shows=TTL,
        paths=PATHS,
    ),
    Row(
        name="paths-edge",
        change="HAProxy change (reload)",
        base=_EVERY_PATH,
        do=deploys(edge=_FEWER),
        shows=EDGE,
        new_slot=False,
        paths=PATHS,
    ),
    Row(
        name="paths-certificate",
        change="another certificate",
        base=_EVERY_PATH,
        do=deploys(edge={"certificate_days": 90}),
        shows=CERTIFICATE,
        new_slot=False,
        paths=PATHS,
    ),
    Row(
        name="growth",
        change="growth from one host to three",
        do=partial(_grow, hosts=3),
        shows=LISTENERS,
        hosts=(1,),
        grows_to=3,
    ),
    Row(
        name="other-host",
        change="config change, entered through another host",
        do=deploys(livekit=_EMPTY),
        shows=ROOM,
        hosts=(3,),
        through=1,
    ),
    Row(
        name="paths-other-host",
        change="config change, entered through another host",
        base=_EVERY_PATH,
        do=deploys(livekit=_EMPTY),
        shows=ROOM,
        hosts=(3,),
        through=1,
        paths=("turn-udp", "turn-tls"),
    ),
)
