"""Alertmanager: install is base's; configure, validate, (re)start, prove by its own word that it is ready.

Other receivers are a restart: what is silenced and what was told is on its disk, and Prometheus tells it again.
"""

from __future__ import annotations

from functools import partial

from pyinfra.api.host import Host

from livekit_metal.roles.alertmanager.settings import UNIT, Settings
from livekit_metal.runtime.host import files, sandbox
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import SMALL, UNITS, Service
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.host.wait import until
from livekit_metal.runtime.run.task import Plan, Task

_READY = 'curl -fsS -m 5 -o /dev/null "http://$1/-/ready"'


def activate(settings: Settings) -> Task:
    """Have Alertmanager tell the site's receivers."""
    service = _service(settings)
    needs = service.needs | StateQuery(files=frozenset({settings.data}))
    return Task("alertmanager", needs, partial(_plan, settings, service))


def _service(settings: Settings) -> Service:
    text = files.text("alertmanager/alertmanager.yml.j2", alertmanager=settings)
    config = File(settings.config_file, text, "640", group="prometheus", secret=True)
    unit = File(f"{UNITS}/{UNIT}", files.text("alertmanager/livekit-alertmanager.service.j2", alertmanager=settings))
    check = sandbox.check(unit.path, "/usr/bin/amtool check-config", config.path)
    return Service(UNIT, (unit, config), check, limits=SMALL)


def _plan(settings: Settings, service: Service, seen: HostState) -> Plan:
    steps = files.directory(settings.data, seen, mode="750", user="prometheus", group="prometheus")
    steps += service.actions(seen, partial(_ready, settings=settings))
    return Plan(steps, service.outcome(seen))


def _ready(host: Host, settings: Settings) -> None:
    until(host, f"http://{settings.listen}/-/ready", UNIT, _READY, settings.listen)
