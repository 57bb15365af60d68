"""Settings of Alertmanager. Upstream: https://prometheus.io/docs/alerting/latest/configuration/"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, nearest, option
from livekit_metal.core.passthrough import merged
from livekit_metal.core.ports import Port, PortRange, Proto, Reach, endpoint
from livekit_metal.core.types.duration import Duration
from livekit_metal.vault import references
from livekit_metal.vault.vault import Vault

UNIT = "livekit-alertmanager.service"
_NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """Alertmanager on hosts with the role ``alertmanager``; several know of each other and tell people once."""

    port: PortRange = option(PortRange(9093, 9093), "port of its page and API, for Prometheus")
    peer: PortRange = option(PortRange(9094, 9094), "port by which several know what was told (cluster.listen-address)")
    receivers: Mapping[str, Mapping[str, Any]] = option(
        {},
        "who can be told, by a name of yours: email_configs, webhook_configs, pagerduty_configs and so on, passed "
        "through; a secret is {'secret': 'alerts-NAME'}, stored with `procedures.secrets INVENTORY set alerts-NAME`",
    )
    pages: str = option("", "the receiver that is woken; default: the first")
    tickets: str = option("", "the receiver that looks in the morning; default: that of pages")
    dead_man: str = option("", "the receiver that counts on a message each minute; default: nobody does")
    wait: Duration = option(Duration.parse("30s"), "what fires meanwhile comes in one message (group_wait)")
    repeat: Duration = option(Duration.parse("4h"), "then a page that still fires comes again (repeat_interval)")
    routes: tuple[Mapping[str, Any], ...] = option((), "routes before our own, passed through")
    extra: Mapping[str, Any] = option({}, "other upstream options, such as global; none that is set from here")

    address: str = derived("")  # of this host in the cluster
    peers: tuple[str, ...] = derived(())  # address:port of the others
    clustered: bool = derived(False)
    inhibitions: tuple[Mapping[str, object], ...] = derived(())
    always: str = derived("")  # the alert that always fires
    vault: Vault | None = derived(None)
    config_root: str = derived("")
    state_root: str = derived("")

    @property
    def config_file(self) -> str:
        return f"{self.config_root}/alertmanager/alertmanager.yml"

    @property
    def data(self) -> str:
        return f"{self.state_root}/alertmanager"

    @property
    def listen(self) -> str:
        return endpoint(self.address, self.port.first)

    @property
    def cluster_listen(self) -> str:
        """Empty: there are no others (upstream's own word for that)."""
        return endpoint(self.address, self.peer.first) if self.clustered else ""

    @property
    def config(self) -> dict[str, Any]:
        """Its configuration, with the secrets."""
        found: dict[str, Any] = references.revealed(merged(self.own_config, self.extra), self.vault)
        return found

    @property
    def own_config(self) -> dict[str, Any]:
        """The part that is decided here."""
        pages = self.pages or next(iter(self.receivers), _NOBODY)
        return {
            "route": {
                "receiver": pages,
                "group_by": ["alertname", "host"],
                "group_wait": str(self.wait),
                "group_interval": "5m",
                "repeat_interval": str(self.repeat),
                "routes": [
                    *self.routes,
                    {
                        "matchers": [f'alertname="{self.always}"'],
                        "receiver": self.dead_man or _NOBODY,
                        "group_wait": "0s",
                        "group_interval": "1m",
                        "repeat_interval": "1m",
                    },
                    {"matchers": ['severity="none"'], "receiver": _NOBODY},
                    {"matchers": ['severity="ticket"'], "receiver": self.tickets or pages, "repeat_interval": "1d"},
                ],
            },
            "receivers": [{"name": _NOBODY}, *({"name": name, **each} for name, each in self.receivers.items())],
            "inhibit_rules": list(self.inhibitions),
        }

    def ports(self) -> Iterator[Port]:
        about = "who is told of what Prometheus has found"
        clients = ("prometheus",)
        yield Port("alertmanager", "web", Proto.TCP, self.port, Reach.CLUSTER, about, "alertmanager.port", clients)
        if self.clustered:
            for proto in Proto:
                about, clients = "what was told already", ("alertmanager",)
                yield Port("alertmanager", "peer", proto, self.peer, Reach.CLUSTER, about, "alertmanager.peer", clients)

    def problems(self, path: str) -> Iterator[Problem]:
        for name in ("port", "peer"):
            if len(getattr(self, name)) != 1:
                yield Problem(f"{path}.{name}", f"is a range ({getattr(self, name)})", "give one port")
        for name in ("pages", "tickets", "dead_man"):
            if (said := getattr(self, name)) and said not in self.receivers:
                yield Problem(f"{path}.{name}", f"no receiver is called {said!r}", nearest(said, self.receivers))
        if _NOBODY in self.receivers:
            yield Problem(f"{path}.receivers.{_NOBODY}", "is a name of ours", "choose another")
        for name in ("wait", "repeat"):
            if getattr(self, name) < 1:
                yield Problem(f"{path}.{name}", f"is {getattr(self, name)}", "give it 1s or more")
        yield from references.problems((self.receivers, self.routes, self.extra), "alerts", path)
        for key in self.extra.keys() & self.own_config.keys():
            yield Problem(f"{path}.extra.{key}", "is set by livekit-metal", "use the setting that owns it")
