"""Trunks and rules in the words of LiveKit's API (protocol/livekit_sip.proto)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.sip.rules import Rule
from livekit_metal.roles.sip.settings import Settings
from livekit_metal.roles.sip.shared import seconds
from livekit_metal.roles.sip.trunks import Trunk

MARK = "livekit-metal"  # in metadata: the name that the site has for it


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object, and the methods of livekit.SIP that deal with it."""

    name: str
    unit_noun: str
    id: str
    create_key: str
    list: str
    create: str
    update: str
    delete: str


def _kind(name: str, unit_noun: str, words: str, delete: str) -> Kind:
    word, id_, key = words.split()
    return Kind(name, unit_noun, id_, key, f"List{word}", f"Create{word}", f"Update{word}", delete)


# in the order of creation
KINDS = (
    _kind("inbound", "inbound trunk", "SIPInboundTrunk sip_trunk_id trunk", "DeleteSIPTrunk"),
    _kind("outbound", "outbound trunk", "SIPOutboundTrunk sip_trunk_id trunk", "DeleteSIPTrunk"),
    _kind("rule", "rule", "SIPDispatchRule sip_dispatch_rule_id dispatch_rule", "DeleteSIPDispatchRule"),
)
Objects = dict[str, dict[str, Any]]


def desired(settings: Settings, ids: Mapping[str, str] | None) -> dict[str, Objects]:
    """What LiveKit should have, by kind and name, as far as the inventory says it (see :mod:`.merging`).

    ``ids`` are those of the inbound trunks that exist already.
    """
    trunks, rules = settings.trunks, settings.rules
    return {
        "inbound": {n: _inbound(n, t, settings) for n, t in trunks.items() if t.takes_calls},
        "outbound": {n: _outbound(n, t, settings) for n, t in trunks.items() if t.outbound},
        "rule": {n: _rule(n, r, settings, ids or {}) for n, r in rules.items()},
    }


def listed(secret: Secret) -> list[str]:
    """The numbers in a secret, which has blanks or commas between them."""
    return secret.reveal().replace(",", " ").split()


def numbers(name: str, trunk: Trunk, secrets: Mapping[str, Secret]) -> list[str]:
    """The numbers of a trunk as LiveKit is told them, wherever they stand; none where it is told no number."""
    if trunk.secret_numbers and (secret := secrets.get(f"sip-{name}-numbers")):
        return listed(secret)
    if not trunk.enumerated:
        return []
    return [number for pattern in trunk.patterns for number in pattern.numbers()]


def _metadata(name: str, more: Mapping[str, Any] | None = None) -> str:
    return json.dumps({**(more or {}), MARK: name}, sort_keys=True)


def _password(name: str, settings: Settings) -> str:
    secret = settings.secrets.get(name)
    return secret.reveal() if secret else ""


def _inbound(name: str, trunk: Trunk, settings: Settings) -> dict[str, Any]:
    made = {
        "name": name,
        "metadata": _metadata(name),
        "numbers": numbers(name, trunk, settings.secrets),
        # Kamailio, which knows the carriers' networks, hands calls on over loopback: nobody gets past it
        "allowed_addresses": ["127.0.0.1/32"],
    }
    if trunk.user:
        made |= {"auth_username": trunk.user, "auth_password": _password(f"sip-{name}", settings)}
    for field, length in (("ringing_timeout", trunk.ringing_timeout), ("max_call_duration", trunk.call_timeout)):
        if length is not None:
            made[field] = seconds(length)
    return made | _krisp(trunk) | trunk.mapped()


def _outbound(name: str, trunk: Trunk, settings: Settings) -> dict[str, Any]:
    out = trunk.outbound
    assert out
    own = numbers(name, trunk, settings.secrets) if trunk.secret_numbers else trunk.exact
    made: dict[str, Any] = {
        "name": name,
        "metadata": _metadata(name),
        "address": out.address,
        "transport": f"SIP_TRANSPORT_{out.transport.upper()}",
        "numbers": list(out.numbers or own),
    }
    if out.user:
        made |= {"auth_username": out.user, "auth_password": _password(f"sip-{name}-outbound", settings)}
    made |= out.mapped()
    if settings.by_kamailio(out):
        # To Kamailio of the host that makes the call. It knows by the header where that leads: 032
        made |= {"address": settings.way_out, "transport": "SIP_TRANSPORT_UDP"}
        made["headers"] = {**made.get("headers", {}), settings.trunk_header: name}
    else:
        made["headers"] = {**made.get("headers", {}), settings.trunk_header: None}  # no carrier is shown it
    return made


def _krisp(of: Trunk | Rule) -> dict[str, Any]:
    return {} if of.krisp is None else {"krisp_enabled": of.krisp}


def _rule(name: str, rule: Rule, settings: Settings, ids: Mapping[str, str]) -> dict[str, Any]:
    pin = _password(f"sip-rule-{name}", settings) if rule.pin else ""
    if rule.room:
        target = {"dispatch_rule_direct": {"room_name": rule.room, "pin": pin}}
    else:
        target = {"dispatch_rule_individual": {"room_prefix": rule.room_prefix, "pin": pin}}
    made = {
        "name": name,
        "metadata": _metadata(name, rule.metadata),
        "rule": target,
        "trunk_ids": [ids.get(trunk, f"({trunk})") for trunk in rule.trunks],
        "numbers": list(rule.called),
        "hide_phone_number": rule.hide_phone_number,
    }
    if rule.callers:
        made["inbound_numbers"] = list(rule.callers)
    if rule.attributes:
        made["attributes"] = dict(rule.attributes)
    room: dict[str, Any] = rule.room_config.fields() if rule.room_config else {}
    if rule.agents is not None:
        room["agents"] = [
            {"agent_name": agent.name, "metadata": agent.metadata, "deployment": agent.deployment}
            for agent in rule.agents
        ]
    if room:
        made["room_config"] = room
    return made | _krisp(rule) | rule.media()
