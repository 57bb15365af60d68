"""Settings of the exporters."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.ports import Port, PortRange, Proto, Reach, endpoint
from livekit_metal.core.types.secret import Secret
from livekit_metal.core.types.text import Network

NODE_UNIT = "livekit-node-exporter.service"
REDIS_UNIT = "livekit-redis-exporter.service"
NODE_USER = "livekit-node-exporter"
METRICS_UNIT = "livekit-host-metrics.service"
SCRAPERS = "scrapers"  # Port.clients: the networks below
LOGIN = "metrics"  # the name of their password in the secrets file


# What the operation of media servers is judged by: UDP buffers and drops (netstat, softnet, udp_queues), the firewall's
# table (conntrack), clock (timex), our units (systemd), what livekit-host-metrics counts (textfile), and the usual
# capacity.
COLLECTORS = (
    "conntrack",
    "cpu",
    "diskstats",
    "filefd",
    "filesystem",
    "loadavg",
    "meminfo",
    "netclass",
    "netdev",
    "netstat",
    "os",
    "pressure",
    "sockstat",
    "softnet",
    "stat",
    "systemd",
    "textfile",
    "time",
    "timex",
    "udp_queues",
    "uname",
    "vmstat",
)


# What livekit-host-metrics says of deploys, by the name after livekit_metal_; docs/operations/alerts.md explains them.
DESCRIBED = (
    ("slot", "1 for each slot that runs, with the release that it runs and its state (active, draining, running)."),
    ("slot_active_since_seconds", "When new sessions began to go to the slot."),
    ("active_slots", "Slots of the host that run and get new sessions."),
    ("drain_began_seconds", "When the slot was told to end when nobody needs it any more."),
    ("drain_deadline_seconds", "When systemd kills the slot."),
    ("generations", "Generations that the host keeps."),
    ("last_change", "1 for how the last change of the host by a deploy or another procedure has ended."),
    ("last_change_seconds", "When that was."),
    ("lock_held_since_seconds", "Since when a run has the host; 0 when none has it."),
    ("maintenance", "1 while the host is out of service on purpose."),
    ("maintenance_since_seconds", "Since when; 0 when it is not."),
    ("kept_files", "Files that wait on the host for somebody: not uploaded (backup), or cut short."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slotted:
    """A daemon in slots on this host, as the metrics of its slots are made."""

    component: str
    unit: str  # with {} for the slot
    generations: str  # a directory
    drop_in: str  # what a drain leaves beside a unit, with its deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A directory whose files wait for somebody."""

    component: str
    kind: str
    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """node_exporter on every host, redis_exporter beside Redis; for Prometheus hosts only."""

    user: ClassVar[str] = NODE_USER

    node: PortRange = option(PortRange(9100, 9100), "port of node_exporter")
    redis: PortRange = option(PortRange(9121, 9121), "port of redis_exporter")
    networks: tuple[Network, ...] = option(
        (), "networks of a Prometheus of yours, which may scrape every exporter, with or without the role prometheus"
    )
    login: str = option(
        "",
        "with networks: that Prometheus logs in by this name (basic auth) at edge.metrics of each host, where it finds "
        "/node and /redis besides; the password is metrics in the secrets file",
    )

    clients: tuple[str, ...] = derived(("prometheus",))  # see Port.clients
    address: str = derived("")  # of this host in the cluster: what the exporters bind
    redis_address: str = derived("")  # host:port of the Redis on this host; empty: none runs here
    redis_password: Secret | None = derived(None)  # of the Redis user monitor
    config_root: str = derived("")
    active_file: str = derived("")  # which slots get new sessions
    slotted: tuple[Slotted, ...] = derived(())
    kept: tuple[Kept, ...] = derived(())

    @property
    def collectors(self) -> tuple[str, ...]:
        return COLLECTORS

    @property
    def node_listen(self) -> str:
        return endpoint(self.address, self.node.first)

    @property
    def redis_listen(self) -> str:
        return endpoint(self.address, self.redis.first)

    @property
    def metrics_unit(self) -> str:
        return METRICS_UNIT

    @property
    def metrics_runtime(self) -> str:
        """Below /run: where the metrics are that node_exporter has no collector for."""
        return METRICS_UNIT.removesuffix(".service")

    @property
    def metrics_script(self) -> str:
        return f"{self.config_root}/exporters/host-metrics.sh"

    @property
    def redis_environment(self) -> str:
        return f"{self.config_root}/exporters/redis-exporter.env"

    def ports(self) -> Iterator[Port]:
        clients = self.clients
        yield Port(
            "exporters",
            "node",
            Proto.TCP,
            self.node,
            Reach.CLUSTER,
            "metrics of the host",
            "exporters.node",
            clients,
        )
        if self.redis_address:
            yield Port(
                "exporters",
                "redis",
                Proto.TCP,
                self.redis,
                Reach.CLUSTER,
                "metrics of Redis",
                "exporters.redis",
                clients,
            )

    def problems(self, path: str) -> Iterator[Problem]:
        for i, network in enumerate(self.networks):
            if ipaddress.ip_network(network).prefixlen == 0:
                fact = f"{network} is everybody, and metrics go in the clear"
                yield Problem(f"{path}.networks[{i}]", fact, "name the network that your Prometheus is in")
        if self.login and not self.networks:
            yield Problem(
                f"{path}.login", "is set, and no network may scrape", "name some in networks, or leave it out"
            )
        if self.login and not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", self.login):
            yield Problem(f"{path}.login", f"is {self.login!r}", "use letters, digits, dots, dashes and _")
        for name in ("node", "redis"):
            if len(getattr(self, name)) != 1:
                yield Problem(f"{path}.{name}", f"is a range ({getattr(self, name)})", "give one port")
