"""Trunks and rules in the words of LiveKit's API (protocol/livekit_sip.proto)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.sip.settings import Settings
from livekit_metal.roles.sip.trunks import Rule, Trunk

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
# What the API says where nothing was set.
_NOTHING = (None, "", 0, False, "SIP_TRANSPORT_AUTO", "SIP_NO_HEADERS", "SIP_MEDIA_ENCRYPT_DISABLE", "0s")
Objects = dict[str, dict[str, Any]]


def desired(settings: Settings, ids: Mapping[str, str] | None) -> dict[str, Objects]:
    """What LiveKit should have, by kind and name. ``ids`` are those of the inbound trunks that exist already."""
    trunks, rules = settings.trunks, settings.rules
    return {
        "inbound": {n: _inbound(n, t, settings) for n, t in trunks.items() if t.numbers or t.secret_numbers or t.user},
        "outbound": {n: _outbound(n, t, settings) for n, t in trunks.items() if t.outbound},
        "rule": {n: _rule(n, r, settings, ids or {}) for n, r in rules.items()},
    }


def differs(wanted: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The fields in which an object differs from the site; what we do not set counts when it is set."""
    ignored = {"sip_trunk_id", "sip_dispatch_rule_id", "created_at", "updated_at"}
    return sorted(
        key for key in (wanted.keys() | now.keys()) - ignored if _plain(wanted.get(key)) != _plain(now.get(key))
    )


def _plain(value: Any) -> Any:
    """A value without what means nothing: protobuf does not tell an empty one from none."""
    if isinstance(value, Mapping):
        return {key: plain for key, one in value.items() if (plain := _plain(one)) is not None} or None
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value] or None
    return None if value in _NOTHING else value


def listed(secret: Secret) -> list[str]:
    """The numbers in a secret, which has blanks or commas between them."""
    return secret.reveal().replace(",", " ").split()


def numbers(name: str, trunk: Trunk, secrets: Mapping[str, Secret]) -> list[str]:
    """The numbers of a trunk, wherever they stand."""
    if trunk.secret_numbers and (secret := secrets.get(f"sip-{name}-numbers")):
        return listed(secret)
    return list(trunk.numbers)


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
    return made


def _outbound(name: str, trunk: Trunk, settings: Settings) -> dict[str, Any]:
    out = trunk.outbound
    assert out
    made = {
        "name": name,
        "metadata": _metadata(name),
        "address": out.address,
        "transport": f"SIP_TRANSPORT_{out.transport.upper()}",
        "numbers": list(out.numbers) or numbers(name, trunk, settings.secrets),
    }
    if out.user:
        made |= {"auth_username": out.user, "auth_password": _password(f"sip-{name}-outbound", settings)}
    return made


def _rule(name: str, rule: Rule, settings: Settings, ids: Mapping[str, str]) -> dict[str, Any]:
    pin = _password(f"sip-rule-{name}", settings) if rule.pin else ""
    if rule.room:
        target = {"dispatch_rule_direct": {"room_name": rule.room, "pin": pin}}
    else:
        target = {"dispatch_rule_individual": {"room_prefix": rule.room_prefix, "pin": pin}}
    return {
        "name": name,
        "metadata": _metadata(name, rule.metadata),
        "rule": target,
        "trunk_ids": [ids.get(trunk, f"({trunk})") for trunk in rule.trunks],
        "numbers": list(rule.numbers),
        "hide_phone_number": rule.hide_phone_number,
        "attributes": dict(rule.attributes),
        # LiveKit adds this when it creates a rule, and not when it replaces one: a change would take it away
        "media": {},
    }
