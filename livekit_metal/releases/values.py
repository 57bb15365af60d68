"""Values as upstream's structs take them: by the type of a field (keys.go names it), and by what is written besides."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from livekit_metal.core.printable import printable

Said = tuple[str, str]  # fact and remedy

_DURATION = re.compile(r"-?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+|0")
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_BITS = re.compile(r"(u?)int(8|16|32|64)?")


def wrong(kind: str, value: object, rule: Mapping[str, Any]) -> Said | None:
    """Why a field of type ``kind`` does not take ``value``, with what ``rule`` says of it; None when it does."""
    return _OF.get(kind, _whole(kind))(value, rule)


def seconds(text: str) -> float:
    """A length of time as Go writes it, which must be one."""
    size = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    return -size if text.startswith("-") else size


def _whole(kind: str) -> Callable[[object, Mapping[str, Any]], Said | None]:
    match = _BITS.fullmatch(kind)

    def check(value: object, rule: Mapping[str, Any]) -> Said | None:
        if type(value) is not int or not match:
            return f"is {shown(value)}", "make it a whole number"
        bits = int(match[2] or 64)
        least, most = (0, 2**bits - 1) if match[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return _within(value, {"least": least, "most": most} | dict(rule))

    return check


def _float(value: object, rule: Mapping[str, Any]) -> Said | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"is {shown(value)}", "make it a number"
    return _within(value, rule)


def _bool(value: object, rule: Mapping[str, Any]) -> Said | None:
    return None if isinstance(value, bool) else (f"is {shown(value)}", "make it True or False")


def _text(value: object, rule: Mapping[str, Any]) -> Said | None:
    if not isinstance(value, str):
        return f"is {shown(value)}", "make it a string"
    choices = rule.get("one_of", ())
    return None if not choices or value in choices else (f"is {shown(value)}", f"choose one of {', '.join(choices)}")


def _duration(value: object, rule: Mapping[str, Any]) -> Said | None:
    if value == 0 and not isinstance(value, bool):
        return None
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        return f"is {shown(value)}", "write a length of time with its unit: 500ms, 15s, 1h30m"
    size = seconds(value)
    if size < 0 and not rule.get("negative"):
        return f"is {value}", "write a length of time that is not below 0"
    if size < seconds(rule.get("least", "0")) and "least" in rule:
        return f"is {value}", f"choose {rule['least']} or more"
    if "most" in rule and size > seconds(rule["most"]):
        return f"is {value}", f"choose {rule['most']} or less"
    return None


def _ports(value: object, rule: Mapping[str, Any]) -> Said | None:
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", str(value)) if type(value) in (int, str) else None
    ends = [int(end) for end in match.groups() if end] if match else []
    if not ends or not 0 < ends[0] <= ends[-1] < 65536:
        return f"is {shown(value)}", "write a port, or a range as '10000-20000'"
    return None


def _block(value: object, rule: Mapping[str, Any]) -> Said | None:
    return None if isinstance(value, Mapping) else (f"is {shown(value)}", "make it a mapping")


def _any(value: object, rule: Mapping[str, Any]) -> Said | None:
    return None


def _within(value: float, rule: Mapping[str, Any]) -> Said | None:
    least, most, above = rule.get("least"), rule.get("most"), rule.get("above")
    if (least is None or value >= least) and (most is None or value <= most) and (above is None or value > above):
        return None
    if above is not None:
        words = f"a number above {above}" + (f", up to {most}" if most is not None else "")
    elif most is None:
        words = f"{least} or more"
    else:
        words = f"{least} to {most}" if least is not None else f"{most} or less"
    return f"is {value}", f"choose {words}"


def shown(value: object) -> str:
    """A value with its type, for a message."""
    return f"{printable(repr(value), 60)} ({type(value).__name__})"


_OF: Mapping[str, Callable[[object, Mapping[str, Any]], Said | None]] = {
    "any": _any,
    "block": _block,
    "bool": _bool,
    "duration": _duration,
    "float": _float,
    "ports": _ports,
    "text": _text,
}
