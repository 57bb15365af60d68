"""The daemons beside livekit-server (egress, ingress, sip): whether the slot that gets new sessions answers; and of all
daemons, whether they run the code that is on disk. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.base.settings import Settings as Base
from livekit_metal.runtime.host import old_code
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.slots.components import components
from livekit_metal.runtime.slots.occupancy import OccupancyQuery, State
from livekit_metal.runtime.slots.occupancy import active as serving_of

if TYPE_CHECKING:
    from livekit_metal.site.model import HostStack

# The words of OccupancyQuery. Of the keys a host tells only what they hash to, as Keys below.
_HEALTH = r"""
  http=$(curl -s -m 3 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(port health)/") || :
  echo "$slot http $http"
  echo "$slot keys $(sed -n 's/^  "api_\(key\|secret\)": "\(.*\)",\{0,1\}$/\1 \2/p' "$of/$slot.yaml" |
    sort | sha256sum | cut -d ' ' -f 1)" """
# A stream that nobody knows: livekit-server says so over Redis. Answers 404; 503 when nothing was heard. Whoever says
# nothing is not asked more: that takes its time.
_HEARD = r"""
  [ "$http" != 200 ] || echo "$slot heard $(curl -s -m 6 -o /dev/null -w '%{http_code}' --data x \
    -H 'Content-Type: application/sdp' "http://127.0.0.1:$(port whip)/w/livekit-metal-asks")" """
_GOOD = {"egress": ("200",), "ingress": ("200",), "sip": ("200", "429")}  # 429: it is busy


def questions(stack: HostStack) -> dict[str, OccupancyQuery]:
    """What is asked about each daemon in slots but livekit-server, by role."""
    whole = {role: each.query_all for role, each in components(stack).items() if role != "livekit"}
    more = {role: _HEALTH + (_HEARD if role == "ingress" else "") for role in whole}
    return {role: dataclasses.replace(asked, ask=asked.ask + more[role]) for role, asked in whole.items()}


def probes(stack: HostStack) -> list[tuple[str, str]]:
    """For a look."""
    return [asked.probe for asked in questions(stack).values()]


def services(stack: HostStack, keys: Mapping[str, Secret], seen: HostState) -> Iterator[CheckResult]:
    """The rows of one host; ``keys`` are the API keys that livekit-server takes."""
    for role, asked in questions(stack).items():
        yield from _daemon(stack, role, asked, keys, seen)
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
    stack: HostStack, role: str, asked: OccupancyQuery, keys: Mapping[str, Secret], seen: HostState
) -> Iterator[CheckResult]:
    lines, here = seen.answers[asked.name], stack.host
    name = serving_of(lines)
    one, words = next(((o, w) for o, w in asked.read(lines) if o.slot == name), (None, {}))
    said = {word: values[0] for word, values in words.items()}
    journal = f"journalctl -u {asked.unit.format(name)}; a deploy mends it"
    if one is None or one.state is not State.ACTIVE:
        where = f"slot {name}, which is {one.state}" if one else "no slot of this host"
        yield failed(role, here, here, f"new {asked.noun} go to {where}", journal if one else "deploy")
        return
    if (code := said.get("http", "000")) not in _GOOD.get(role, ("200",)):
        yield failed(role, here, here, f"slot {name} says HTTP {code}", journal)
    elif said.get("heard", "404") != "404":
        fact = f"slot {name} and livekit-server do not hear each other on Redis (WHIP says {said['heard']})"
        yield failed(role, here, here, fact, journal)
    else:
        told = f"slot {name} answers, {said.get('sessions', '?')} {asked.noun}"
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
