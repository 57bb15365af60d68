"""Trunks and rules as LiveKit has them, made what the site declares. Only those that carry our mark are ever changed.

The API is asked on the host, through its own edge: the controller makes a token and needs no way to the API itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.sip.merging import differs, merged, unsaid
from livekit_metal.roles.sip.objects import KINDS, MARK, Kind, desired
from livekit_metal.roles.sip.settings import Settings
from livekit_metal.runtime.host.commands import HostError, read, run
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.probe import tokens
from livekit_metal.runtime.run.task import Action, Plan, Task

_PROBE = "sip.telephony"
_CALL = shell.program(__file__, "call")
_LISTS = tuple(word for kind in KINDS for word in (kind.name, kind.list, "{}"))


def token(key: str, secret: str, now: float) -> str:
    """A JWT that lets its bearer manage SIP, for ten minutes."""
    return tokens.token(key, secret, now, {"sip": {"admin": True}})


@dataclass(frozen=True, slots=True)
class Found:
    """What LiveKit has of one kind: ours by name, and how the others are called."""

    ours: Mapping[str, dict[str, Any]]
    foreign: tuple[str, ...]


def reconcile(settings: Settings) -> Task:
    """Have LiveKit's trunks and rules be those of the site; drift shows in the plan."""
    return Task("sip", StateQuery(queries=((_PROBE, _asks(settings, *_LISTS)),)), partial(_plan, settings))


def _asks(settings: Settings, *calls: str) -> str:
    key, secret = next(iter(settings.api_keys.items()))
    url = settings.ws_url.replace("ws", "http", 1) + "/twirp/livekit.SIP"
    return shell.given(_CALL, url, token(key, secret.reveal(), time.time()), *calls)


def parse(lines: list[str]) -> dict[str, Found] | None:
    """The answer by kind; None when LiveKit did not give one."""
    answers = dict(zip(lines[::3], zip(lines[1::3], lines[2::3], strict=False), strict=False))
    found = {}
    for kind in KINDS:
        body, code = answers.get(kind.name, ("", ""))
        if code != "200":
            return None
        ours, foreign = {}, []
        for item in json.loads(body).get("items", []):
            if name := _mark(item):
                ours[name] = item
            else:
                foreign.append(f"{item.get('name') or 'without a name'} ({item[kind.id]})")
        found[kind.name] = Found(ours, tuple(foreign))
    return found


def _mark(item: Mapping[str, Any]) -> str:
    """The name that an object of ours has in the site, or ''."""
    try:
        marked = json.loads(item.get("metadata") or "{}")
    except ValueError:
        return ""
    return str(marked.get(MARK, "")) if isinstance(marked, dict) else ""


def _plan(settings: Settings, seen: HostState) -> Plan:
    found = parse(seen.answers[_PROBE])
    steps, words = [], []
    for kind, name, change in _changes(settings, found):
        words.append(f"{kind.unit_noun} {name}: {change}")
        steps.append(Action(words[-1], partial(_apply, settings=settings, kind=kind, name=name)))
    notes = []
    if found:
        for kind in KINDS:
            if others := found[kind.name].foreign:
                notes.append(f"{kind.unit_noun}s that are not ours, left alone: {', '.join(others)}")
        notes += _foreign_fields(settings, found)
    return Plan(tuple(steps), f"{len(steps)} of trunks and rules changed" if steps else "", tuple(notes))


def _foreign_fields(settings: Settings, found: Mapping[str, Found]) -> Iterator[str]:
    """What somebody else has set on objects of ours."""
    wanted = desired(settings, _ids(found))
    for kind in KINDS:
        for name, target in wanted[kind.name].items():
            if fields := unsaid(target, found[kind.name].ours.get(name, {})):
                yield f"{kind.unit_noun} {name}: not in the inventory, left as it is: {', '.join(fields)}"


def _changes(settings: Settings, found: dict[str, Found] | None) -> Iterator[tuple[Kind, str, str]]:
    """What is to be done. A rule refers to trunks: it goes before them and comes after them."""
    wanted, now = desired(settings, _ids(found) if found else None), found or {k.name: Found({}, ()) for k in KINDS}
    for kind in reversed(KINDS):
        yield from ((kind, name, "delete") for name in now[kind.name].ours if name not in wanted[kind.name])
    for kind in KINDS:
        for name, target in wanted[kind.name].items():
            if (is_now := now[kind.name].ours.get(name)) is None:
                yield kind, name, "create"
            elif fields := differs(target, is_now):
                yield kind, name, f"change {', '.join(fields)}"


def _ids(found: Mapping[str, Found]) -> dict[str, str]:
    """The ids of our inbound trunks by name."""
    return {name: item["sip_trunk_id"] for name, item in found["inbound"].ours.items()}


def _apply(host: Host, *, settings: Settings, kind: Kind, name: str) -> None:
    """Bring one object to what the site says. What LiveKit has is asked again: a rule needs its trunks' new ids."""
    found = parse(read(host, "sh -s", stdin=_asks(settings, *_LISTS)).splitlines())
    if found is None:
        raise HostError("LiveKit does not tell its trunks: its API does not answer, or not to the first API key")
    wanted, now = desired(settings, _ids(found))[kind.name].get(name), found[kind.name].ours.get(name)
    if wanted is None and now is not None:
        _call(host, settings, kind.delete, {kind.id: now[kind.id]})
    elif wanted is not None and now is None:
        _call(host, settings, kind.create, {kind.create_key: merged(wanted, {})})
    elif wanted is not None and now is not None and differs(wanted, now):
        _call(host, settings, kind.update, {kind.id: now[kind.id], "replace": merged(wanted, now)})


def _call(host: Host, settings: Settings, method: str, body: Mapping[str, Any]) -> None:
    said = run(host, "sh -s", stdin=_asks(settings, "", method, json.dumps(body))).splitlines()
    if said[-1:] != ["200"]:
        raise HostError(f"LiveKit refuses {method}: {' '.join(said) or 'no answer'}")
