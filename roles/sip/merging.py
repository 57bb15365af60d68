"""What an inventory says beside what LiveKit's object has: what it does not say stays as somebody else set it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

# What the API says where nothing was set.
_NOTHING = (None, "", 0, False, "SIP_TRANSPORT_AUTO", "SIP_NO_HEADERS", "SIP_MEDIA_ENCRYPT_DISABLE", "0s")
_LIVEKITS = {"sip_trunk_id", "sip_dispatch_rule_id", "created_at", "updated_at"}
# protocol keeps the old field beside media.encryption, and makes it from that
_OLD = "media_encryption"
_CHOICE = "rule"  # a oneof: another kind of rule replaces the one that is there


def differs(wanted: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The fields of ``wanted`` that the object has not. None, deep inside: it may not be there at all."""
    ours, theirs = _opened(wanted), _opened(now)
    return sorted(key for key, value in ours.items() if not _has(value, theirs.get(key)))


def merged(wanted: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The object with what is wanted, and all else as it is."""
    ours, theirs = _opened(wanted), _opened(now)
    made: dict[str, Any] = {key: value for key, value in theirs.items() if key not in _LIVEKITS}
    if "encryption" in ours.get("media", {}):
        made.pop(_OLD, None)
    for key, value in ours.items():
        made[key] = value if key == _CHOICE and not _same_kind(value, made.get(key)) else _over(value, made.get(key))
    made["metadata"] = json.dumps(made["metadata"], sort_keys=True)
    return made


def unsaid(wanted: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The fields that somebody else has set, by name, never with a value."""
    ours, theirs = _opened(wanted), _opened(now)
    skipped = _LIVEKITS | {_OLD} if "encryption" in ours.get("media", {}) else _LIVEKITS
    if not _same_kind(ours.get(_CHOICE, {}), theirs.get(_CHOICE)):
        skipped = skipped | {_CHOICE}
    return sorted(_unsaid(ours, {key: value for key, value in theirs.items() if key not in skipped}, ""))


def _unsaid(wanted: Mapping[str, Any], now: Mapping[str, Any], above: str) -> Iterator[str]:
    for key, value in now.items():
        if key not in wanted:
            if plain(value) is not None:
                yield f"{above}{key}"
        elif isinstance(wanted[key], Mapping) and isinstance(value, Mapping):
            yield from _unsaid(wanted[key], value, f"{above}{key}.")


def _opened(item: Mapping[str, Any]) -> dict[str, Any]:
    """The object with its metadata, which is our mark and more, taken apart."""
    try:
        metadata = json.loads(item.get("metadata") or "{}")
    except ValueError:
        metadata = {}
    return {**item, "metadata": metadata if isinstance(metadata, dict) else {}}


def _same_kind(wanted: Mapping[str, Any], now: Any) -> bool:
    return isinstance(now, Mapping) and wanted.keys() == now.keys()


def _has(wanted: Any, now: Any) -> bool:
    if isinstance(wanted, Mapping):
        there = now if isinstance(now, Mapping) else {}
        return all(_has(value, there.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(now, list) and any(isinstance(one, Mapping) for one in wanted):
        # LiveKit fills in what an agent's dispatch may have besides
        return len(wanted) == len(now) and all(map(_has, wanted, now))
    return bool(plain(wanted) == plain(now))


def _over(wanted: Any, now: Any) -> Any:
    if not isinstance(wanted, Mapping):
        return now if isinstance(wanted, list) and _has(wanted, now) else wanted
    made = dict(now) if isinstance(now, Mapping) else {}
    for key, value in wanted.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = _over(value, made.get(key))
    return made


def plain(value: Any) -> Any:
    """A value without what means nothing: protobuf does not tell an empty one from none."""
    if isinstance(value, Mapping):
        return {key: found for key, one in value.items() if (found := plain(one)) is not None} or None
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value] or None
    return None if value in _NOTHING else value
