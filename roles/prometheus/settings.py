"""Settings of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, nearest, option
from livekit_metal.core.ports import Port, PortRange, Proto, Reach, endpoint
from livekit_metal.roles.prometheus.alerts.every import ALERTS, GROUPS
from livekit_metal.roles.prometheus.thresholds import Thresholds
from livekit_metal.vault import references
from livekit_metal.vault.vault import Vault

_LEAST_MB = 512
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
    component: str = ""  # where it is not the job

    @property
    def endpoint(self) -> str:
        return endpoint(self.address, self.port)

    @property
    def labels(self) -> dict[str, str]:
        """On every series: host, component, slot; and (two underscores: on none) the path to scrape."""
        labels = {"host": self.host, "component": self.component or self.job, "__metrics_path__": self.path}
        return labels | {"slot": self.slot} if self.slot else labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """The server on hosts with the role ``prometheus``; look at it through `ssh -L 9090:127.0.0.1:9090 HOST`."""

    port: PortRange = option(PortRange(9090, 9090), "port of the server, on loopback")
    retention_days: int = option(15, "days that metrics are kept")
    disk_mb: int = option(10240, "MB that they take at most; the oldest go first (--storage.tsdb.retention.size)")
    alerts: Thresholds = option(Thresholds(), "when alerts fire")
    site: str = option("", "label `site` of all that leaves it (alerts, remote_write); default: the inventory's name")
    quiet: tuple[str, ...] = option((), "names of alerts that the site does not want; see docs/runbook.md")
    remote_write: tuple[Mapping[str, Any], ...] = option(
        (),
        "where samples go besides, passed through (remote_write); a secret is {'secret': 'metrics-NAME'}, stored with "
        "`procedures.secrets INVENTORY set metrics-NAME`",
    )
    interval: int = option(15, "seconds between scrapes")

    targets: tuple[Target, ...] = derived(())
    alertmanagers: tuple[str, ...] = derived(())  # address:port of each
    vault: Vault | None = derived(None)  # for what is passed through
    stamp: str = derived("")  # hash of the configuration, see tasks.py
    config_root: str = derived("")
    state_root: str = derived("")

    @property
    def config(self) -> str:
        return f"{self.config_root}/prometheus/prometheus.yml"

    @property
    def rules(self) -> str:
        return f"{self.config_root}/prometheus/rules.yml"

    @property
    def groups(self) -> dict[str, list[dict[str, object]]]:
        """The rules of each group of alerts, without those that the site does not want."""
        return {
            name: [alert.rule(self.alerts) for alert in group if alert.name not in self.quiet]
            for name, group in GROUPS.items()
        }

    @property
    def remotes(self) -> list[dict[str, Any]]:
        """``remote_write`` with its secrets."""
        return [references.revealed(each, self.vault) for each in self.remote_write]

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
        if self.disk_mb < _LEAST_MB:
            yield Problem(
                f"{path}.disk_mb", f"is {self.disk_mb}", f"give it {_LEAST_MB} MB or more: one block has as much"
            )
        known = [alert.name for alert in ALERTS]
        for i, name in enumerate(self.quiet):
            if name not in known:
                yield Problem(f"{path}.quiet[{i}]", f"no alert is called {name!r}", nearest(name, known))
        yield from references.problems(self.remote_write, "metrics", f"{path}.remote_write")
