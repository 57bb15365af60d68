"""What is wrong with one host, worked out from a look at it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.core.types.secret import Secret
from livekit_metal.diagnosis.on_host import cores, rules
from livekit_metal.diagnosis.on_host.cores import Waits
from livekit_metal.diagnosis.on_host.queries import needs, question
from livekit_metal.diagnosis.on_host.services import services
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.livekit.generation import keys_file
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.preflight.checks import findings
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.roles.redis.settings import UNIT as REDIS_UNIT
from livekit_metal.roles.redis.settings import Settings as Redis
from livekit_metal.runtime.artifacts import lockfile
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run import maintenance
from livekit_metal.runtime.run.turns import modules
from livekit_metal.runtime.slots.occupancy import State
from livekit_metal.runtime.slots.occupancy import active as serving_of

if TYPE_CHECKING:
    from livekit_metal.site.model import HostStack

__all__ = ["Found", "needs", "of"]

PACKET = 1280  # bytes: a video packet of livekit-server with its headers, see network.py
_FULL = 0.9  # of the connection table


@dataclass(frozen=True, slots=True)
class Found:
    """A host as looked at; ``node`` is the livekit-server that gets new sessions ('' without one)."""

    rows: tuple[CheckResult, ...]
    node: str = ""
    waits: Waits | None = None  # what it has waited for a core so far


@dataclass(frozen=True, slots=True)
class Slot:
    """The slot that new sessions go to, and what it says."""

    name: str
    state: State
    release: str
    said: Mapping[str, str]


def of(stack: HostStack, in_run: frozenset[str], api_keys: Mapping[str, Secret], seen: HostState) -> Found:
    """The rows of one host; ``in_run`` names the hosts of the run, ``api_keys`` are those of the site."""
    rows = [CheckResult(check="reach", about=stack.host, vantage="controller", said="over SSH")]
    rows += preflight(stack, in_run, seen)
    rows += conntrack(stack, seen)
    device = " ".join(seen.answers.get("doctor.link", ())).partition(" ")[0]
    rows += rules.checks(stack.host, stack.ports, device, seen.answers[rules.PROBE])
    rows += redis(stack, seen) if stack.of(Redis) else ()
    rows += of_roles(stack, seen)
    rows += services(stack, api_keys, seen)
    if not (stack.of(Livekit) and stack.of(Edge)):
        return Found(tuple(rows))
    slot = serving(stack, seen)
    for judge in (link, bus):
        rows += judge(stack, seen)
    rows += serves(stack, slot, seen)
    for each in (address, version, keys):
        rows += each(stack, slot)
    rows += edge(stack, seen, slot)
    return Found(tuple(rows), slot.said.get("node", "") if slot else "", Waits.read(seen.answers[cores.PROBE]))


def of_roles(stack: HostStack, seen: HostState) -> Iterator[CheckResult]:
    """What roles themselves have to say: ``doctor.py`` in their folders."""
    for own, doctor in modules(stack, "doctor"):
        yield from doctor.checks(stack, own, seen)


def _good(check: str, stack: HostStack, said: str) -> CheckResult:
    return CheckResult(check=check, about=stack.host, vantage=stack.host, said=said)


def _bad(check: str, stack: HostStack, fact: str, remedy: str) -> CheckResult:
    return failed(check, stack.host, stack.host, fact, remedy)


def preflight(stack: HostStack, in_run: frozenset[str], seen: HostState) -> Iterator[CheckResult]:
    """What a deploy would refuse today: a row per finding, and one that says that the rest is well."""
    found = list(findings(stack.the(Preflight), seen, in_run))
    for finding in found:
        problem = finding.problem
        check, about = problem.path.removeprefix(f"{stack.host}: ").replace(" ", "-"), stack.host
        if check == "peer":  # the peer is judged; one that drops what must come through is no good one
            about = problem.fact.split()[0]
        result = Result.FAILED if finding.stops or check in ("peer", "hairpin") else Result.NOTE
        yield CheckResult(
            check=check, about=about, vantage=stack.host, result=result, said=problem.fact, remedy=problem.remedy
        )
    if not found:
        yield _good("preflight", stack, "clock, ports, firewalls, memory, disk, peers")


def conntrack(stack: HostStack, seen: HostState) -> Iterator[CheckResult]:
    """A full table drops what is new. Without one there is nothing to fill."""
    numbers = [int(line) for line in seen.answers["doctor.conntrack"] if line.isdigit()]
    if len(numbers) != 2:
        return
    count, most = numbers
    said = f"{count} of {most} connections"
    if count > _FULL * most:
        remedy = "see `conntrack -L` for whose they are; raise net.netfilter.nf_conntrack_max (kernel.*)"
        yield _bad("conntrack", stack, f"the firewall's table of connections is full: {said}", remedy)
    else:
        yield _good("conntrack", stack, said)


def link(stack: HostStack, seen: HostState) -> Iterator[CheckResult]:
    words = " ".join(seen.answers["doctor.link"]).split()
    if len(words) != 2:
        return  # the address is on no interface: preflight says so
    device, mtu = words[0], int(words[1])
    if mtu < PACKET:
        fact = f"{device} takes packets of {mtu} bytes, video needs {PACKET}"
        yield _bad("mtu", stack, fact, f"raise it: ip link set {device} mtu 1500, and where it is configured")
    else:
        yield _good("mtu", stack, f"{device} {mtu}")


def redis(stack: HostStack, seen: HostState) -> Iterator[CheckResult]:
    state = seen.unit(REDIS_UNIT, "ActiveState")
    if state != "active":
        fact = f"{REDIS_UNIT} is {state or 'not there'}: calls go on, nothing new starts"
        yield _bad("redis", stack, fact, f"journalctl -u {REDIS_UNIT}, then systemctl start it, or deploy")
    else:
        yield _good("redis", stack, "runs")


def bus(stack: HostStack, seen: HostState) -> Iterator[CheckResult]:
    """Redis as livekit-server on this host reaches it."""
    word, _, rest = "".join(seen.answers["doctor.bus"][:1]).partition(" ")
    at = stack.the(Livekit).redis.address
    if (word, rest) == ("said", "+PONG"):
        yield _good("bus", stack, f"Redis at {at} answers")
    elif word == "refused":
        yield _bad(
            "bus", stack, f"Redis at {at} refuses the site's password: {rest}", "deploy; it may have been rotated"
        )
    elif word != "other":
        fact = f"no way from here to Redis at {at} ({rest or word or 'no answer'})"
        yield _bad("bus", stack, fact, "see the firewalls and routes between the two hosts, and that Redis runs")


def serving(stack: HostStack, seen: HostState) -> Slot | None:
    asked = question(stack)
    lines = seen.answers[asked.name]
    name = serving_of(lines)
    for one, words in asked.read(lines):
        if one.slot == name:
            return Slot(name, one.state, one.release, {word: values[0] for word, values in words.items()})
    return None


def serves(stack: HostStack, slot: Slot | None, seen: HostState) -> Iterator[CheckResult]:
    """New sessions go to a slot that runs and answers."""
    if slot is None and (why := maintenance.words(seen)):
        yield replace(_good("slot", stack, why), result=Result.NOTE, remedy="end it with drain.py --data back=yes")
    elif slot is None:
        yield _bad("slot", stack, "new sessions go to no slot of this host", "deploy")
    elif slot.state is not State.ACTIVE:
        fact = f"new sessions go to slot {slot.name}, which is {slot.state}"
        yield _bad("slot", stack, fact, f"journalctl -u livekit-server@{slot.name}; a deploy mends it")
    elif (code := slot.said.get("http", "000")) != "200":
        why = "cut off from Redis" if code == "406" else "it does not answer"
        fact = f"slot {slot.name} says HTTP {code} ({why})"
        yield _bad("slot", stack, fact, f"journalctl -u livekit-server@{slot.name}")
    else:
        yield _good("slot", stack, f"{slot.name} serves, {slot.said.get('node', '')}")


def address(stack: HostStack, slot: Slot | None) -> Iterator[CheckResult]:
    """Clients are told the address that the site says."""
    if slot is None or "node_ip" not in slot.said:
        return
    if (told := slot.said["node_ip"]) != stack.the(Livekit).node_ip:
        fact = f"slot {slot.name} tells clients to send media to {told}, the site says {stack.the(Livekit).node_ip}"
        yield _bad("node_ip", stack, fact, f"correct hosts.{stack.host}.public, or deploy")
    else:
        yield _good("node_ip", stack, told)


def version(stack: HostStack, slot: Slot | None) -> Iterator[CheckResult]:
    if slot is None or not slot.release:
        return
    running, wanted = slot.release.rpartition("-")[0], stack.the(Livekit).release
    lock = stack.the(Livekit).lock_file
    sums = lockfile.sums(Path(lock), Livekit.program, wanted) if lock else frozenset()
    if running != wanted:
        fact = f"slot {slot.name} runs {running}, the inventory says {wanted}"
        yield _bad("version", stack, fact, "deploy, or put the inventory back")
    elif sums and not any(each.startswith(slot.release.rpartition("-")[2]) for each in sums):
        fact = f"slot {slot.name} runs {slot.release}, a build that {lock} does not know"
        yield _bad("version", stack, fact, "bring the lock file from the machine that deployed last, or deploy")
    else:
        yield _good("version", stack, slot.release)


def keys(stack: HostStack, slot: Slot | None) -> Iterator[CheckResult]:
    """The API keys are those of the secrets file."""
    if slot is None or "keys" not in slot.said:
        return
    wanted = hashlib.sha256(keys_file(stack.the(Livekit)).encode()).hexdigest()
    if slot.said["keys"] != wanted:
        fact = f"slot {slot.name} has other API keys than the secrets file"
        yield _bad("keys", stack, fact, "deploy: it brings the keys of the secrets file")
    else:
        yield _good("keys", stack, "those of the secrets file")


def edge(stack: HostStack, seen: HostState, slot: Slot | None) -> Iterator[CheckResult]:
    """HAProxy runs, follows the active file, and sees the slot and its peers."""
    lines = [line.split() for line in seen.answers["doctor.edge"]]
    if not lines:
        yield _bad("edge", stack, "HAProxy does not answer", "journalctl -u livekit-edge; then deploy")
        return
    mapped = next((words[2] for words in lines if len(words) == 3 and words[1] == "livekit"), "")
    # show servers state: 2 is the backend, 4 the server, 6 its state (2: up)
    up = {(words[1], words[3]): words[5] == "2" for words in lines if len(words) > 20}
    name = slot.name if slot else ""
    if mapped != name:
        fact = f"HAProxy sends new sessions to slot {mapped or '(none)'}, the active file says {name or '(none)'}"
        yield _bad("edge", stack, fact, "deploy: HAProxy follows the file then")
    elif slot and not up.get((f"livekit_{name}", "local"), False):
        yield _bad("edge", stack, f"HAProxy takes slot {name} for dead", f"journalctl -u livekit-server@{name}")
    else:
        yield _good("edge", stack, f"HAProxy sends new sessions to slot {name or '(none)'}")
    for peer in stack.the(Edge).peers:
        if not up.get(("peers", peer), True):
            fact = f"HAProxy gets no session through the edge of {peer} ({stack.the(Edge).peer_endpoints[peer]})"
            remedy = f"see the other rows about {peer}, and the network between the hosts"
            yield failed("backup", peer, stack.host, fact, remedy)
