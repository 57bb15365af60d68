"""Rules of somebody else on the host that may eat what is for the site: suspects, for when calls are bad. Pure.

What nftables lists is read as far as it speaks of protocols and ports; a rule for single senders, for another
interface or for what belongs to no connection is left alone, and so is what only passes through the host.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from livekit_metal.core.check_result import CheckResult, Result
from livekit_metal.core.ports import Port, PortRange, Proto

PROBE = "doctor.rules"
_SHOWN = 3
_PORTS = re.compile(r"\b(?P<proto>udp|tcp|th) [ds]port (?P<no>!= )?(?P<what>\{[^}]*\}|@?[\w-]+)")
_PROTOCOLS = re.compile(r"(?:l4proto|protocol|nexthdr) (?P<what>\{[^}]*\}|\w+)")
_NUMBERS = {"6": Proto.TCP, "17": Proto.UDP, "tcp": Proto.TCP, "udp": Proto.UDP}
_INTERFACE = re.compile(r'\biif(?:name)? "?(?P<name>[^"\s]+)"?')
_VERDICT = re.compile(r"\b(accept|drop|reject|jump|goto)\b(?: (?P<to>\S+))?")
_OF_SOME = re.compile(r"\bsaddr\b|\bct state (?:\{ )?(?:invalid|established|related|0x1\b)|icmp|\bether\b|\bskuid\b")
_COMMENT = re.compile(r'\s*comment "[^"]*"')

# What fails where a port of ours gets nothing, by its name in the registry (without the slot).
_MEDIA = ("udp", "turn-udp", "turn-udp-443", "turn-tls", "across", "ipv6")
_OF: Mapping[str, tuple[str, ...]] = {
    "livekit/media": _MEDIA,
    "livekit/ice-tcp": ("tcp",),
    "livekit/turn-udp": ("turn-udp", "ipv6"),
    "livekit/turn-udp-443": ("turn-udp-443",),
    "livekit/turn-tls": ("turn-tls",),
    "livekit/turn-relay": ("turn-udp", "turn-udp-443", "turn-tls"),
    "edge/https": ("tls", "signalling", "join", "refused", "turn-tls", "turn-cert", "across"),
    "edge/http": ("signalling", "join", "refused", "across"),
    "edge/peer": ("peer", "backup"),
    "redis/redis": ("bus", "slot", "signalling", "join", "across"),
}
QUALITY = ("loss", "throughput", "round-trip", "jitter")


@dataclass(slots=True)
class _Chain:
    table: str
    name: str
    hook: str = ""
    rules: list[str] = field(default_factory=list)


def checks(host: str, ports: Iterable[Port], device: str, lines: Sequence[str]) -> Iterator[CheckResult]:
    """A row for each table with rules that may be to blame, and what they may be to blame for."""
    ours = [(port, of) for port in ports if (of := _OF.get(_without_slot(port)))]
    chains = list(_chains(lines))
    found: dict[str, list[tuple[str, str]]] = {}
    blamed: dict[str, dict[str, None]] = {}
    for chain in _reached(chains):
        for port, of in ours:
            if (rule := _eats(chain, port, device)) is not None:
                found.setdefault(chain.table, []).append((chain.name, rule))
                blamed.setdefault(chain.table, {}).update(dict.fromkeys((*of, *QUALITY)))
    for table, rules in found.items():
        each = [f"in chain {chain}: {rule}" for chain, rule in dict.fromkeys(rules)]
        more = [f"and {len(each) - _SHOWN} more such rules"] if len(each) > _SHOWN else []
        fact = f"nftables' table {table}, which is not ours, has {'; '.join([*each[:_SHOWN], *more])}"
        row = CheckResult(check="rules", about=host, vantage=host, result=Result.NOTE, said=fact, suspect=True)
        remedy = f"unless it is meant: `nft delete table {table}` on the host, and away with what loads it at boot"
        yield dataclasses.replace(row, remedy=remedy, explains=tuple(blamed[table]))


def _without_slot(port: Port) -> str:
    name = f"{port.owner}/{port.name}"
    return name if name in _OF else name.rpartition("-")[0]


def _chains(lines: Iterable[str]) -> Iterator[_Chain]:
    table, chain = "", None
    for line in lines:
        words = line.split()
        if words[:1] == ["table"]:
            table = " ".join(words[1:3])
        elif words[:1] == ["chain"]:
            chain = _Chain(table, words[1])
            yield chain
        elif chain and words[:1] == ["type"] and "hook" in words:
            chain.hook = words[words.index("hook") + 1]
            if "policy drop" in line:
                chain.rules.append("policy drop")  # as if it stood last: put there by _in_order
        elif chain:
            chain.rules.append(_COMMENT.sub("", line.strip()))


def _reached(chains: Collection[_Chain]) -> Iterator[_Chain]:
    """Those that see what is for the host: by a hook, but not of what passes through, or led to from such a one."""
    by_name = {(chain.table, chain.name): chain for chain in chains}
    waiting, seen = [chain for chain in chains if chain.hook not in ("", "forward")], set[int]()
    while waiting:
        chain = waiting.pop(0)
        if id(chain) in seen:
            continue
        seen.add(id(chain))
        yield chain
        for rule in chain.rules:
            verdict = _VERDICT.search(rule)
            if verdict and verdict[1] in ("jump", "goto") and (to := by_name.get((chain.table, verdict["to"] or ""))):
                waiting.append(to)


def _eats(chain: _Chain, port: Port, device: str) -> str | None:
    """The rule that drops what is for a port (or comes from it), unless one before it lets that in."""
    in_order = [rule for rule in chain.rules if rule != "policy drop"]
    in_order += [rule for rule in chain.rules if rule == "policy drop"]
    for rule in in_order:
        if _OF_SOME.search(rule) or not _by(rule, device) or not _is_about(rule, port):
            continue
        verdict = rule.split()[-1] if rule == "policy drop" else (m[1] if (m := _VERDICT.search(rule)) else "")
        if verdict == "accept":
            return None
        if verdict in ("drop", "reject"):
            return rule
    return None


def _by(rule: str, device: str) -> bool:
    """Whether it is about what comes in by ``device`` ('': not known); what it says of others is not."""
    named = _INTERFACE.search(rule)
    return named is None or named["name"] == "!=" or named["name"] == device or not device


def _is_about(rule: str, port: Port) -> bool:
    protocols = {_NUMBERS[word] for m in _PROTOCOLS.finditer(rule) for word in _words(m["what"]) if word in _NUMBERS}
    if _PROTOCOLS.search(rule) and port.proto not in protocols:
        return False
    for said in _PORTS.finditer(rule):
        if said["proto"] != "th" and said["proto"] != str(port.proto):
            return False
        if said["what"].startswith("@"):
            continue  # a set: what is in it is not known
        covered = any(_overlaps(word, port.range) for word in _words(said["what"]))
        if covered == bool(said["no"]):
            return False
    return True


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.strip("{} ").split(",")]


def _overlaps(word: str, ports: PortRange) -> bool:
    first, _, last = word.partition("-")
    if not (first.isdigit() and (last or first).isdigit()):
        return False
    return int(first) <= ports.last and int(last or first) >= ports.first
