"""Settings of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.ports import Port, PortRange, Proto, Reach, endpoint

UNIT = "livekit-prometheus.service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something to scrape: ``http://address:port/path`` as job ``job`` of host ``host``."""

    job: str
    host: str
    address: str
    port: int
    path: str = "/metrics"
    slot: str = ""

    @property
    def endpoint(self) -> str:
        return endpoint(self.address, self.port)

    @property
    def labels(self) -> dict[str, str]:
        """On every series of it: host and slot; and (two underscores: on none) the path to scrape."""
        labels = {"host": self.host, "__metrics_path__": self.path}
        return labels | {"slot": self.slot} if self.slot else labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """The server on hosts with the role ``prometheus``; look at it through `ssh -L 9090:127.0.0.1:9090 HOST`."""

    port: PortRange = option(PortRange(9090, 9090), "port of the server, on loopback")
    retention_days: int = option(15, "days that metrics are kept")
    interval: int = option(15, "seconds between scrapes")

    targets: tuple[Target, ...] = derived(())
    stamp: str = derived("")  # hash of the scrape configuration, see tasks.py
    config_root: str = derived("")
    state_root: str = derived("")

    @property
    def config(self) -> str:
        return f"{self.config_root}/prometheus/prometheus.yml"

    @property
    def data(self) -> str:
        return f"{self.state_root}/prometheus"

    @property
    def listen(self) -> str:
        """Where the server's page and API are; they know no password."""
        return endpoint("127.0.0.1", self.port.first)

    @property
    def jobs(self) -> dict[str, list[Target]]:
        """Targets by job, in the order of the site."""
        jobs: dict[str, list[Target]] = {}
        for target in self.targets:
            jobs.setdefault(target.job, []).append(target)
        return jobs

    def ports(self) -> Iterator[Port]:
        yield Port(
            "prometheus",
            "prometheus",
            Proto.TCP,
            self.port,
            Reach.LOCAL,
            "Prometheus' own page and API",
            "prometheus.port",
        )

    def problems(self, path: str) -> Iterator[Problem]:
        if len(self.port) != 1:
            yield Problem(f"{path}.port", f"is a range ({self.port})", "give one port")
        if self.interval < 1 or self.retention_days < 1:
            yield Problem(path, "has no positive interval and retention_days", "set both to 1 or more")
