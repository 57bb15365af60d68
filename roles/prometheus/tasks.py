"""Prometheus: install is base's; configure, validate, start or reload, prove by what it says it has loaded.

Other targets are a reload. Which configuration the process has is read from its API, where a label of its own target
carries the hash of the file: neither a reload lost in a killed deploy nor one that Prometheus refused goes unnoticed.
"""

from __future__ import annotations

import dataclasses
import hashlib
from functools import partial

from pyinfra.api.host import Host

from roles._kit import files, sandbox
from roles._kit.change import sh
from roles._kit.files import File
from roles._kit.look import Needs, Seen
from roles._kit.plan import Part, Step, Todo
from roles._kit.ready import until
from roles._kit.service import UNITS, Service, limits
from roles.prometheus.settings import UNIT, Settings

_LOADED = "curl -fsS -m 5 http://{}/api/v1/status/config | grep -o '__lkm_stamp: lkm-[0-9a-f]*'"


def activate(settings: Settings) -> Part:
    """Have Prometheus scrape the site's targets."""
    settings = _stamped(settings)
    service = _service(settings)
    probe = ("prometheus.loaded", _LOADED.format(settings.listen))
    needs = service.needs | Needs(files=frozenset({settings.data}), probes=(probe,))
    return Part("prometheus", needs, lambda seen: _plan(settings, service, seen))


def _stamped(settings: Settings) -> Settings:
    draft = files.text("prometheus/prometheus.yml.j2", prometheus=settings)
    # the prefix keeps YAML from taking the hash for a number
    return dataclasses.replace(settings, stamp=f"lkm-{hashlib.sha256(draft.encode()).hexdigest()[:16]}")


def _service(settings: Settings) -> Service:
    config = File(settings.config, files.text("prometheus/prometheus.yml.j2", prometheus=settings))
    unit = File(f"{UNITS}/{UNIT}", files.text("prometheus/livekit-prometheus.service.j2", prometheus=settings))
    check = sandbox.check(unit.path, "/usr/bin/promtool check config", config.path)
    return Service(UNIT, (unit,), check, reread=(config,), limits=limits(tasks=1024))


def _plan(settings: Settings, service: Service, seen: Seen) -> Todo:
    loaded = f"__lkm_stamp: {settings.stamp}"
    has_loaded = partial(_has_loaded, settings=settings, loaded=loaded)
    reload = None
    if service.unread(seen, loaded=seen.probes["prometheus.loaded"] == [loaded]):
        reload = Step(f"reload {UNIT}", lambda host: sh(host, "systemctl reload $1", UNIT))
    steps = files.directory(settings.data, seen, mode="750", user="prometheus", group="prometheus")
    steps += service.steps(seen, has_loaded, reload=reload)
    return Todo(steps, service.outcome(seen, "reloaded" if reload else ""))


def _has_loaded(host: Host, settings: Settings, loaded: str) -> None:
    test = f'[ "$({_LOADED.format(settings.listen)})" = "$1" ]'
    until(host, f"{settings.config} loaded", UNIT, test, loaded)
