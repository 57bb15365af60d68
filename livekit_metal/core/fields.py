"""Plain inventory data -> frozen dataclasses, with every error collected under its path.

A dataclass field is one of two things: an ``option`` (the operator may set it; its default lives here and
nowhere else, and docs/configuration.md is generated from it) or ``given`` (the site fills it in per host).
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from livekit_metal.core.errors import Problem, Problems
from livekit_metal.core.printable import printable
from livekit_metal.core.types.text import Kind, Line, kind_of, plain

REQUIRED: Any = dataclasses.MISSING


def option(default: Any, doc: str) -> Any:
    """A setting of the operator. ``doc`` says effect, unit and the upstream name where it has one."""
    metadata = {"doc": doc}
    if default is REQUIRED:
        return dataclasses.field(metadata=metadata)
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def derived(default: Any) -> Any:
    """A value the site derives, one host at a time; inventories may not set it."""
    metadata = {"given": True}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class Checked:
    """Base of dataclasses whose fields depend on each other.

    A class variable ``rest`` names an option that is a mapping and takes every key that is no option.
    """

    __slots__ = ()

    def problems(self, path: str) -> Iterator[Problem]:
        """Yield what is wrong with this object, given the path it was read from."""
        yield from ()


def options(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """The fields of a settings class that an inventory may set, in order."""
    return {f.name: f for f in dataclasses.fields(cls) if not f.metadata.get("given")}


def nearest(word: str, known: typing.Iterable[str]) -> str:
    """A remedy for an unknown word: the nearest known one, or all of them."""
    known = sorted(known)
    if close := difflib.get_close_matches(word, known, n=1, cutoff=0.5):
        return f"did you mean {close[0]!r}?"
    return f"known here: {', '.join(known)}" if known else "nothing is known here"


def build(cls: type, data: object, path: str, problems: Problems) -> Any:
    """Make a ``cls`` from a mapping; None when that is impossible (the reasons are in ``problems``)."""
    if not isinstance(data, Mapping):
        problems.add(path, f"is {_name(data)}", "make it a mapping of settings")
        return None
    known, hints = options(cls), _hints(cls)
    values: dict[str, Any] = {}
    sound = True
    if rest := getattr(cls, "rest", ""):
        found = {key: value for key, value in data.items() if key == rest or key not in known}
        data = {key: value for key, value in data.items() if key not in found}
        before = len(list(problems))
        values[rest] = _mapping(typing.get_args(hints[rest]), found, path, problems)
        sound = len(list(problems)) == before
    for key, value in data.items():
        if key not in known:
            problems.add(f"{path}.{key}", "unknown key", nearest(str(key), known))
            sound = False
            continue
        if value == "" and known[key].default == "":  # not set
            values[key] = ""
            continue
        before = len(list(problems))
        values[key] = convert(hints[key], value, f"{path}.{key}", problems)
        sound = sound and len(list(problems)) == before
    for name, field in known.items():
        missing = field.default is REQUIRED and field.default_factory is REQUIRED and name not in data
        if missing:
            problems.add(f"{path}.{name}", "is missing", f"set it: {field.metadata['doc']}")
            sound = False
    if not sound:
        return None
    made = cls(**values)
    if isinstance(made, Checked):
        problems.extend(made.problems(path))
    return made


@functools.cache  # evaluating annotations takes longer than everything else about a site
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def convert(hint: Any, value: object, path: str, problems: Problems) -> Any:  # noqa: PLR0911 - one per kind
    """``value`` as the annotated type ``hint``; a mismatch is added to ``problems``."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _text(kind_of(hint), value, path, problems)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        return convert(next(a for a in args if a is not type(None)), value, path, problems)
    if origin is typing.Literal:
        if value not in args:
            problems.add(path, f"is {value!r}", f"choose one of {', '.join(map(str, args))}")
        return value
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, (list, tuple)):
            problems.add(path, f"is {_name(value)}", "make it a list")
            return ()
        return tuple(convert(args[0], v, f"{path}[{i}]", problems) for i, v in enumerate(value))
    if origin in (Mapping, dict):
        return _mapping(args, value, path, problems)
    if hint is Any:
        return _plain(value, path, problems)
    if dataclasses.is_dataclass(hint) and not hasattr(hint, "parse"):
        return build(hint, value, path, problems)  # type: ignore[arg-type]
    if hasattr(hint, "parse"):
        try:
            return hint.parse(value)
        except ValueError as error:
            fact, _, remedy = str(error).partition("; ")
            problems.add(path, fact, remedy or "see docs/configuration.md")
            return None
    return _scalar(hint, value, path, problems)


def _mapping(args: tuple[Any, ...], value: object, path: str, problems: Problems) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        problems.add(path, f"is {_name(value)}", "make it a mapping")
        return {}
    return {
        convert(args[0], str(k), path, problems): convert(args[1], v, f"{path}.{printable(str(k), 60)}", problems)
        for k, v in value.items()
    }


def _plain(value: object, path: str, problems: Problems) -> object:
    if found := plain(value, path):
        problems.add(*found)
    return value


def _text(kind: Kind, value: object, path: str, problems: Problems) -> Any:
    if type(value) is not str:
        problems.add(path, f"is {_name(value)}", "make it a string")
    elif wrong := kind.problem(value):
        problems.add(path, *wrong)
    return value


def _scalar(hint: type, value: object, path: str, problems: Problems) -> Any:
    if hint is str:
        return _text(kind_of(Line), value, path, problems)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and value - value != 0:
        problems.add(path, f"is {value}", "write a finite number")
    if type(value) is not hint:
        problems.add(path, f"is {_name(value)}", f"make it {_ARTICLE.get(hint, hint.__name__)}")
    return value


_ARTICLE = {int: "a whole number", bool: "True or False", float: "a number"}


def _name(value: object) -> str:
    return f"{printable(repr(value))} ({type(value).__name__})"
