"""What the watcher tells the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from livekit_metal.core.errors import Problem
from livekit_metal.roles.agents import on_host as agents
from livekit_metal.roles.agents.settings import Settings as Agents
from livekit_metal.roles.edge.backends import Scraped
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.redispatch import on_host
from livekit_metal.roles.redispatch.settings import COMPONENT, EVENTS, UNIT, Settings
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed
from livekit_metal.site.slotted import told

_PROGRAMS = (
    *((on_host, name) for name in ("watch.py", "losses.py", "signed.py")),
    *((agents, name) for name in ("lkm_rooms.py", "lkm_logs.py")),
)


class Redispatch(Role[Settings]):
    name = "redispatch"
    purpose = "what sees to jobs of agents whose host died, with agents.redispatch"
    settings = Settings
    everywhere: ClassVar[Mapping[str, str]] = {}
    rank = 1  # before livekit-server tells it anything

    def on(self, site: Site, host: str) -> Settings | None:
        if host not in site.with_role("livekit"):
            return None
        own = dataclasses.replace(site.of(Settings), config_root=site.paths.config)
        if not _wanted(site):
            return own  # what is left of it goes
        known, fleets = told(site, host), site.of(Agents).daemons
        return dataclasses.replace(
            own,
            wanted=True,
            fleets={each.answers_to: each.name for each in fleets},
            ws_url=known["ws_url"],
            api_keys=known["api_keys"],
            signers=site.opened.keys_of_nodes,
            programs={name: (Path(str(room.__file__)).parent / name).read_text() for room, name in _PROGRAMS},
        )

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        return Installed(packages=("python3",), units=(UNIT,)) if own.wanted else Installed()

    def asked(self, site: Site, stack: HostStack, own: Settings) -> Mapping[str, Any]:
        return {} if own.wanted else {"ends": (UNIT,)}

    def gives(self, site: Site, host: str) -> Mapping[str, Mapping[str, Any]]:
        own = site.of(Settings)
        if host not in site.with_role("livekit") or not _wanted(site):
            return {}
        scraped = Scraped(component=COMPONENT, slot="", port=own.port.first)
        return {"livekit": {"watchers": (own.url,), "watched": EVENTS}, "edge": {"others": (scraped,)}}

    def problems(self, site: Site) -> Iterator[Problem]:
        given = site.of(Livekit).extra.get("webhook", {}).get("filter_params", {}) if _wanted(site) else {}
        only, never = given.get("include_events", ()), given.get("exclude_events", ())
        if kept := [each for each in EVENTS if (each not in only if only else each in never)]:
            fact = f"keeps {', '.join(kept)} from what agents.redispatch needs them for"
            yield Problem(
                "livekit.extra.webhook.filter_params", fact, "let them through: your application may ignore them"
            )


def _wanted(site: Site) -> bool:
    """Whether the site has fleets whose jobs are dispatched again."""
    own = site.of(Agents)
    return bool(own.redispatch and own.fleets and site.with_role("agents"))


ROLE = Redispatch()
