"""Whatever an inventory says, and wherever: it is refused in words, or it is in what is rendered what it was.

Walks the settings classes: a new setting is covered without a line here. Nothing that is rendered is run.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyinfra.api.exceptions import PyinfraError

from livekit_metal.core.errors import Problem, Problems, SiteError
from livekit_metal.core.fields import convert
from livekit_metal.roles.acme import tasks as acme
from livekit_metal.roles.base import tasks as base
from livekit_metal.roles.edge import tasks as edge
from livekit_metal.roles.egress import tasks as egress
from livekit_metal.roles.exporters import tasks as exporters
from livekit_metal.roles.firewall import tasks as firewall
from livekit_metal.roles.ingress import tasks as ingress
from livekit_metal.roles.kamailio import tasks as kamailio
from livekit_metal.roles.kernel import tasks as kernel
from livekit_metal.roles.livekit import tasks as livekit
from livekit_metal.roles.preflight import tasks as preflights
from livekit_metal.roles.prometheus import tasks as prometheus
from livekit_metal.roles.redis import tasks as redis
from livekit_metal.roles.sip import tasks as sip
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.host import files, state
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.slots import staging
from livekit_metal.site.model import HostStack, Site
from tests.support.values import hostile
from tests.support.values.hostile import MARK

MakeSite = Callable[[dict[str, Any]], Site]
VALUES = (*(shape.format(harm) for shape in hostile.SHAPES for harm in hostile.HARM.values()), *hostile.ODD)
_ROLES = (base, preflights, kernel, redis, firewall, acme, edge, livekit, egress, ingress, kamailio, sip, exporters)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Site], Iterator[tuple[str, str]]]:
    """What a deploy of a site would write (by template) and ask for or run (``script``); no host is there."""
    program = tmp_path / "program"
    program.write_text("program")
    said: list[tuple[str, str]] = []
    parts: list[Task] = []

    def fetched(release: Any, arch: str, lock: str) -> Artifact:
        where = {"version": release.version, "source": "file", "arch": arch, "identity": "test"}
        return Artifact(component=release.component, sha256="ab" * 32, path=program, size=7, **where)

    original = files.text

    def text(template: str, **variable: Any) -> str:
        said.append((template, made := original(template, **variable)))
        return made

    monkeypatch.setattr(staging, "_fetched", fetched)
    monkeypatch.setattr(files, "text", text)
    for role in (*_ROLES, prometheus):
        if hasattr(role, "in_parallel"):
            monkeypatch.setattr(role, "in_parallel", lambda part, _name: parts.append(part))

    def render(site: Site) -> Iterator[tuple[str, str]]:
        for host in site.hosts:
            said.clear()
            parts.clear()
            _declare(site, site.for_host(host), parts)
            yield from said
            yield from (("script", state.script(part.needs)) for part in parts)

    return render


def _declare(site: Site, stack: HostStack, parts: list[Task]) -> None:
    """As deploy.py does."""
    assert site.vault
    base.prepare(stack.base, site.vault)
    for role in (*_ROLES, prometheus):
        settings = getattr(stack, role.__name__.split(".")[-2])
        if settings is None or role is base or (role is acme and not settings.wanted):
            continue
        try:
            if hasattr(role, "prepare"):
                role.prepare(settings)
            if not hasattr(role, "activate"):
                continue
            parts.append(part := role.activate(settings))
        except PyinfraError:  # what a deploy refuses in words, as a password that is not there
            continue
        if role in (kernel, edge):  # these render what they have seen
            part.plan(state.HostState(answers={name: [] for name, _ in part.needs.queries}))


@pytest.mark.parametrize(("place", "hint"), hostile.places().items())
def test_what_no_kind_takes_is_refused_in_words(place: str, hint: Any) -> None:
    for value in VALUES:
        problems = Problems()
        convert(hint, value, place, problems)
        for said in map(str, problems):
            assert len(said) < 5000
            assert not _steers(said), place


@pytest.mark.parametrize(
    ("data", "harm"),
    [
        *((hostile.SITES[0], harm) for harm in hostile.HARM),
        *((hostile.SITES[1], harm) for harm in ("quote", "command")),
    ],
)
def test_what_is_taken_is_refused_later_in_words_or_stays_what_it_is(
    data: dict[str, Any],
    harm: str,
    make_site: MakeSite,
    rendered: Callable[[Site], Iterator[tuple[str, str]]],
) -> None:
    values = hostile.taken(hostile.HARM[harm])
    site = None
    while site is None:
        full = data
        for place, value in values.items():
            full = hostile.put(full, place, value)
        problems: tuple[Problem, ...] = ()
        try:
            site = make_site(full)
        except SiteError as error:
            problems = error.problems
        assert not _steers("\n".join(map(str, problems)))
        blamed = hostile.blamed(values, [problem.path for problem in problems])
        assert site or blamed, problems
        for place in blamed:
            del values[place]
    for what, text in rendered(site):
        if MARK in text:
            _intact(what, text, set(values.values()))


def _steers(said: str) -> bool:
    return bool(re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", said))


def _intact(what: str, text: str, values: set[str]) -> None:
    """Who reads ``text`` finds the very values there; where nobody can tell, only plain characters are about."""
    if what.endswith((".yaml.j2", ".yml.j2")):
        found = [each for each in _strings(yaml.safe_load(text)) if MARK in each]
        assert found
    elif what == "acme/environment.j2":
        read = [line.partition("=")[2] for line in text.splitlines() if MARK in line]
        found = [re.sub(r"\\(.)", r"\1", quoted[1:-1]) for quoted in read if quoted]
    elif what == "kernel/60-livekit-metal.conf.j2":
        found = [line.partition(" = ")[2] for line in text.splitlines() if MARK in line]
    else:
        lines = [line for line in text.splitlines() if MARK in line and not line.lstrip().startswith("#")]
        raw = {value for value in values if not value.endswith("*")}  # names of interfaces may end so
        assert not [line for line in lines if any(value in line for value in raw)], what
        return
    for each in found:
        assert any(value in each or value.lower() in each for value in values), f"{what}: {each!r}"


def _strings(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield data
        if data[:1] in ("{", "["):
            with contextlib.suppress(ValueError):
                yield from _strings(json.loads(data))
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _strings(key)
            yield from _strings(value)
    elif isinstance(data, list):
        for each in data:
            yield from _strings(each)
