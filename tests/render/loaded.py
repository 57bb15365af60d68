"""A ruleset of nftables, as nft lists it."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from livekit_metal.core.ports import Port, Proto, Reach

Networks = set[ipaddress.IPv4Network | ipaddress.IPv6Network]


class Loaded:
    """The ruleset as nft lists it."""

    def __init__(self, listing: str) -> None:
        self.entries: list[dict[str, Any]] = json.loads(listing)["nftables"]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [entry[kind] for entry in self.entries if kind in entry]

    def rules(self, chain: str) -> list[list[dict[str, Any]]]:
        return [rule["expr"] for rule in self.all("rule") if rule["chain"] == chain]

    def elements(self, name: str) -> list[Any]:
        (found,) = [s for s in self.all("set") if s["name"] == name]
        return list(found.get("elem", []))

    def networks(self, group: str) -> Networks:
        """Both families of a group."""
        found: Networks = set()
        for element in [*self.elements(f"{group}4"), *self.elements(f"{group}6")]:
            if isinstance(element, str):
                found.add(ipaddress.ip_network(element))
            elif "prefix" in element:
                found.add(ipaddress.ip_network(f"{element['prefix']['addr']}/{element['prefix']['len']}"))
            else:
                first, last = map(ipaddress.ip_address, element["range"])
                found |= set(ipaddress.summarize_address_range(first, last))  # type: ignore[type-var]
        return found

    def untracked(self) -> set[int]:
        return {n for element in self.elements("untracked") for n in numbers(element)}

    def verdicts(self, proto: str) -> dict[int, str]:
        """Port -> "accept" or the group that may connect; of new connections."""
        found: dict[int, str] = {}
        for rule in self.rules("input"):
            for vmap in [e["vmap"] for e in rule if "vmap" in e]:
                if vmap["key"].get("payload") == {"protocol": proto, "field": "dport"}:
                    for ports, verdict in vmap["data"]["set"]:
                        word = verdict["jump"]["target"].removeprefix("from_") if "jump" in verdict else "accept"
                        found |= dict.fromkeys(numbers(ports), word)
        return found


def numbers(element: Any) -> range:
    first, last = element["range"] if isinstance(element, dict) else (element, element)
    return range(first, last + 1)


def ports_of(ports: tuple[Port, ...], proto: Proto, reach: Reach) -> set[int]:
    return {n for p in ports if (p.proto, p.reach) == (proto, reach) for n in range(p.range.first, p.range.last + 1)}
