"""The daemons beside livekit-server: whether the slot that gets new sessions answers; and of all
daemons, whether they run the code that is on disk. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from livekit_metal.core import shell
from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.base.settings import Settings as Base
from livekit_metal.runtime.host import old_code
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.slots.components import components
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.runtime.slots.occupancy import OccupancyQuery, State
from livekit_metal.runtime.slots.occupancy import active as serving_of

if TYPE_CHECKING:
    from livekit_metal.site.model import HostStack

_HEALTH = shell.program(__file__, "health")


def questions(stack: HostStack) -> dict[str, OccupancyQuery]:
    """What is asked about each daemon in slots but livekit-server, by role."""
    return {role: dataclasses.replace(each.query_all, ask=each.ask + _HEALTH + each.hears) for role, each in _of(stack)}


def _of(stack: HostStack) -> Iterator[tuple[str, SlottedDaemon[Any]]]:
    return ((role, each) for role, each in components(stack).items() if role != "livekit")


def probes(stack: HostStack) -> list[tuple[str, str]]:
    """For a look."""
    return [asked.probe for asked in questions(stack).values()]


def services(stack: HostStack, keys: Mapping[str, Secret], seen: HostState) -> Iterator[CheckResult]:
    """The rows of one host; ``keys`` are the API keys that livekit-server takes."""
    asked = questions(stack)
    for role, each in _of(stack):
        yield from _daemon(stack, each, asked[role], keys, seen)
    yield from _code(stack, seen)


def _code(stack: HostStack, seen: HostState) -> Iterator[CheckResult]:
    """A note for every unit that goes on with code from before an update; what drains has it until its end."""
    told = old_code.told(seen, stack.the(Base).daemons)
    good = CheckResult(
        check="old-code", about=stack.host, vantage=stack.host, said="none: every daemon runs what is on disk"
    )
    for unit, old in told.items():
        yield dataclasses.replace(good, result=Result.NOTE, said=f"{unit}: {old.words}", remedy=old.remedy)
    if not told:
        yield good


def _daemon(
    stack: HostStack, daemon: SlottedDaemon[Any], asked: OccupancyQuery, keys: Mapping[str, Secret], seen: HostState
) -> Iterator[CheckResult]:
    lines, here, role = seen.answers[asked.name], stack.host, daemon.role
    name = serving_of(lines)
    one, words = next(((o, w) for o, w in asked.read(lines) if o.slot == name), (None, {}))
    said = {word: values[0] for word, values in words.items()}
    journal = f"journalctl -u {asked.unit.format(name)}; a deploy mends it"
    if one is None or one.state is not State.ACTIVE:
        where = f"slot {name}, which is {one.state}" if one else "no slot of this host"
        yield failed(role, here, here, f"new {asked.unit_noun} go to {where}", journal if one else "deploy")
        return
    if (code := said.get("http", "000")) not in daemon.healthy:
        yield failed(role, here, here, f"slot {name} says HTTP {code}", journal)
    elif "unheard" in said:
        fact = f"slot {name} and livekit-server do not hear each other on Redis ({said['unheard']})"
        yield failed(role, here, here, fact, journal)
    else:
        told = f"slot {name} answers, {said.get('sessions', '?')} {asked.unit_noun}"
        yield CheckResult(check=role, about=here, vantage=here, said=told)
    check = f"{role}-keys"
    if said.get("keys") in {_hash(key, secret) for key, secret in keys.items()}:
        yield CheckResult(check=check, about=here, vantage=here, said="one of the secrets file")
    else:
        fact = f"slot {name} of {role} has an API key that is not in the secrets file: livekit-server refuses it"
        yield failed(check, here, here, fact, "deploy: it brings the key of the secrets file")


def _hash(key: str, secret: Secret) -> str:
    """As _HEALTH has it."""
    return hashlib.sha256(f"key {key}\nsecret {secret.reveal()}\n".encode()).hexdigest()
