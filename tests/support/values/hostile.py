"""Hostile values, and every place of an inventory that takes a text: found by walking the settings classes."""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from livekit_metal.core.errors import Problems
from livekit_metal.core.fields import convert, options
from livekit_metal.site.loading import site_class
from tests.support.values.sites import PHONES, RECORDING

MARK = "lkm7"  # is in every value: where it is found in what is rendered, a value has got there
HARM = {
    "quote": "'",
    "double": '"',
    "blank": " x",
    "break": "\n    bind *:1",
    "command": "$(id)",
    "backtick": "`id`",
    "semicolon": ";id",
    "and": "&&id",
    "pipe": "|id",
    "comment": "#{id}",
    "percent": "%n",
    "specifier": "%%$(id)",
    "template": "{{ 7 * 7 }}",
    "backslash": "\\",
    "nul": "\0",
    "return": "\r",
    "escape": "\x1b[2J",
    "long": "a" * 100_000,
    "bidi": "\u202eb",
    "surrogate": "\ud800",
    "star": "*",
    "redirect": ">/x",
}
# Where harm may hide in something that looks right.
SHAPES = (
    f"{MARK}{{}}",
    f"/srv/{MARK}{{}}",
    f"2001:db8::1%{MARK}{{}}",
    f"192.0.2.0/24{MARK}{{}}",
    f"https://{MARK}.example.org/a{{}}",
    f"{MARK}{{}}.example.org",
    f"{MARK}{{}}:6379",
    f"{MARK}{{}}/{{{{track_id}}}}",
)
ODD = (
    "http://[lkm7",
    "--lkm7",
    "-o/tmp/lkm7",
    "../../lkm7",
    "https://lkm7.example.org:99999/",
    "lkm7\u017f.example.org",
)

_S3 = {"bucket": "b", "endpoint": "https://s3.example.com", "access_key": "AK"}
# Sites that between them have every role and every kind of thing that a setting may be in.
SITES: tuple[dict[str, Any], ...] = (
    {
        "hosts": {
            "lk1": {
                "address": "192.0.2.11",
                "cluster": "10.0.0.11",
                "roles": ["livekit", "redis", "prometheus", "ingress", "sip", "egress"],
            },
            "lk2": {"address": "192.0.2.12", "cluster": "10.0.0.12", "roles": ["livekit"]},
        },
        "edge": {
            "tls": "acme",
            "domain": "lk.example.org",
            "backends": {
                "pad": {
                    "server": "10.0.0.5:9001",
                    "paths": ["/pad"],
                    "check": "/ok",
                    "tls": True,
                    "tls_name": "pad.lan",
                }
            },
        },
        "acme": {"email": "ops@example.org", "challenge": "dns", "dns_provider": "hetzner"},
        "livekit": {"source": "file", "file": "/b/livekit-server", "sha256": "ab" * 32, "release": "1.13.7"},
        "ingress": {"source": "file", "file": "/b/ingress", "sha256": "ab" * 32},
        "egress": {**RECORDING, "storage": {"s3": _S3}},
        **PHONES,
        "firewall": {"open": [{"port": 8443, "networks": ["192.0.2.0/24"]}]},
        "kamailio": {"certificate": "/etc/ssl/sip.pem", "certificate_key": "/etc/ssl/sip.key"},
    },
    {
        "hosts": {"lk1": {"address": "192.0.2.11", "roles": ["livekit", "egress"]}},
        "redis": {"external": {"address": "10.0.0.5:6379", "password": False}},
        "egress": {**RECORDING},
    },
)


@functools.cache
def places() -> dict[str, Any]:
    """The path of every value that an inventory may hold (``hosts.*.address``, ``acme.environment.*``), and its type.

    ``*`` is a name in a mapping, ``*!`` that name itself, ``[]`` an item of a list.
    """
    return dict(_fields(site_class(), ""))


def _fields(cls: type, path: str) -> Iterator[tuple[str, Any]]:
    hints = typing.get_type_hints(cls, include_extras=True)
    for name in options(cls):
        yield from _texts(hints[name], f"{path}.{name}".lstrip("."))


def _texts(hint: Any, path: str) -> Iterator[tuple[str, Any]]:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        yield from _texts(next(a for a in args if a is not type(None)), path)
    elif origin is tuple:
        yield from _texts(args[0], f"{path}.[]")
    elif origin in (dict, Mapping):
        yield f"{path}.*!", args[0]
        yield from _texts(args[1], f"{path}.*")
    elif dataclasses.is_dataclass(hint) and not hasattr(hint, "parse"):
        yield from _fields(typing.cast(type, hint), path)
    else:  # numbers, ranges, durations and choices too: an inventory may have a text there
        yield path, hint


def put(data: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    """A copy of ``data`` with ``value`` at ``place``; what is around it is made where it is not there."""
    made = copy.deepcopy(data)
    at: Any = made
    words = place.split(".")
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word == "*!":
            at[value] = next(iter(at.values()), "x")
        elif after == "[]" and words[-1] == "[]":
            at[word] = [value]
            return made
        elif word == "[]":
            at = at[0]
            if after == "":
                return made
        elif after == "[]":
            at = at.setdefault(word, [{}])
        elif word == "*" and after == "":
            at["some"] = value
        elif after == "":
            at[word] = value
        else:
            key = next(iter(at), "some") if word == "*" else word
            if not isinstance(at.get(key), dict):
                at[key] = {}
            at = at[key]
    return made


def taken(harm: str) -> dict[str, str]:
    """By place, the first text with ``harm`` in it that the kind of the place takes."""
    found: dict[str, str] = {}
    for place, hint in places().items():
        for value in (shape.format(harm) for shape in SHAPES):
            problems = Problems()
            convert(hint, value, place, problems)
            if not problems and type(value) is str:
                found[place] = value
                break
    return found


def blamed(values: Mapping[str, str], paths: list[str]) -> set[str]:
    """Which places of ``values`` the paths of problems name: exactly, or as a part of what they name."""
    exact = {place for place in values for path in paths if re.match(_pattern(place), path)}
    return exact or {place for place in values for path in paths if place.startswith(path.partition(".")[0])}


def _pattern(place: str) -> str:
    words = {"*": r"\.[^.]+", "*!": "(\\..*)?", "[]": r"(\[\d+\])?"}
    return "".join(words.get(word, rf"\.?{re.escape(word)}") for word in place.split(".")) + r"(\b|$)"
