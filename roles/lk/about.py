"""What lk tells the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.roles.lk.settings import COMMAND, COMPLETIONS, PROGRAM, Settings
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed
from livekit_metal.site.slotted import told


class Lk(Role[Settings]):
    name = "lk"
    purpose = "lk, LiveKit's command-line tool, with the site as its project for root"
    settings = Settings
    named = caller = True
    on_redis = False
    rank = 3

    def on(self, site: Site, host: str) -> Settings | None:
        if (own := super().on(site, host)) is None:
            return None
        known = told(site, host)  # the daemons' API key: the applications' comes to no host that has no use for it
        return dataclasses.replace(own, **{f.name: known[f.name] for f in dataclasses.fields(own) if f.name in known})

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        folders = (COMPLETIONS, COMPLETIONS.rpartition("/")[0])
        return Installed(files=(COMMAND, f"{COMPLETIONS}/{PROGRAM}"), parents=folders)

    def problems(self, site: Site) -> Iterator[Problem]:
        for name in site.with_role(self.name):
            try:
                site.of(Settings, name).release_spec().check(site.hosts[name].arch)
            except SiteError as error:
                yield from error.problems
                return


ROLE = Lk()
