"""The watcher: configure, (re)start, prove by its metrics; or end it."""

from __future__ import annotations

import json
from functools import partial

from pyinfra.api.host import Host

from livekit_metal.roles.redispatch.settings import UNIT, Settings
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import SMALL, UNITS, Service
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.host.wait import until
from livekit_metal.runtime.run.task import Action, Plan, Task

_COUNTS = 'curl -fsS -m 5 "http://$1/metrics" | grep -q "^livekit_agents_jobs_lost_total"'
# The file goes last: while it is there, a deploy knows what is left to do.
_END = 'set -eu; systemctl -q disable --now "$1"; rm -rf -- "$3" "$2.d"; rm -- "$2"; systemctl daemon-reload'


def service(settings: Settings) -> Service:
    """The unit, with what it reads."""
    own = settings
    return Service(
        UNIT,
        (
            File(f"{UNITS}/{UNIT}", files.text("redispatch/livekit-redispatch.service.j2", redispatch=own)),
            *(File(f"{own.directory}/{name}", text) for name, text in own.programs.items()),
            File(own.config_file, json.dumps(own.config, indent=2) + "\n", "600", secret=True),  # systemd hands it over
        ),
        limits=SMALL,
    )


def activate(settings: Settings) -> Task:
    """Have the watcher run."""
    wanted = service(settings)

    def plan(seen: HostState) -> Plan:
        return Plan(wanted.actions(seen, partial(_counts, settings=settings)), wanted.outcome(seen))

    return Task("redispatch", wanted.needs, plan)


def end(settings: Settings) -> Task:
    """Have nothing of it left."""
    unit = f"{UNITS}/{UNIT}"

    def plan(seen: HostState) -> Plan:
        if unit not in seen.files:
            return Plan()
        return Plan((Action(f"end {UNIT}", lambda host: run(host, _END, UNIT, unit, settings.directory)),), "removed")

    return Task("redispatch", StateQuery(files=frozenset({unit})), plan)


def _counts(host: Host, settings: Settings) -> None:
    until(host, f"http://{settings.listen}/metrics", UNIT, _COUNTS, settings.listen)
