"""The last table of a run: a line for each host, or for all that fared alike where there are many; then the notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import click

from livekit_metal.runtime.run.task import Result

_COLOURS = {"done": "green", "unchanged": "cyan", "failed": "red"}
_MANY = 12  # hosts; with more, those that fared alike share a line
_NAMED = 3  # hosts in a line, before the rest are only counted
_ALIKE = 3  # notes that differ only in the hosts they name, before the rest are only counted


def table(hosts: Mapping[str, Result], order: Sequence[str], stopped: Sequence[str] = ()) -> list[str]:
    """The lines. ``order`` names the hosts that have turns, ``stopped`` those at which the run ended."""
    names = list(order) or sorted(hosts)
    for name in names:
        result = hosts[name]
        if result.word == "prepared":  # a run without turns ends here; in a deploy nothing was activated
            result.word, result.why = ("untouched", "prepared only") if order else ("done", "")
    groups = _groups(names, hosts)
    width = max((len(_names(group)) for group in groups), default=4)
    lines = ["", f"    {'host':{width}}  result"]
    for group in groups:
        result = hosts[group[0]]
        word = click.style(f"{result.word:11}", fg=_COLOURS.get(result.word, "yellow"))
        why = result.why if len(group) == 1 else _of_any(group[0], result.why)
        said = "; ".join(filter(None, [why, _took([hosts[name].seconds for name in group])]))
        lines.append(f"    {_names(group):{width}}  {word} {said}".rstrip())
        lines += [f"    {'':{width}}      {summary}" for summary in result.summaries]
    lines += [f"    {note}" for note in _notes(names, hosts)]
    if stopped:
        lines.append(f"    stopped at {', '.join(stopped)}; mend it and run the same command again")
    return lines


def _groups(names: Sequence[str], hosts: Mapping[str, Result]) -> list[list[str]]:
    if len(names) <= _MANY:
        return [[name] for name in names]
    found: dict[object, list[str]] = {}
    for name in names:
        result = hosts[name]
        found.setdefault((result.word, _of_any(name, result.why), *result.summaries), []).append(name)
    return list(found.values())


def _of_any(name: str, said: str) -> str:
    """``said`` without the name of the host that says it of itself."""
    return said.replace(f" {name}: ", " ", 1)


def _names(names: Iterable[str]) -> str:
    names = list(dict.fromkeys(names))
    more = len(names) - _NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_NAMED])} and {more} more"


def _took(seconds: Sequence[float]) -> str:
    least, most = f"{min(seconds):.1f}", f"{max(seconds):.1f}"
    if not max(seconds):
        return ""
    return f"{most} s" if least == most else f"{least} to {most} s"


def _notes(names: Sequence[str], hosts: Mapping[str, Result]) -> list[str]:
    """What several hosts say is one line: a note that names its own host, and those that differ in other hosts only."""
    any_host = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, sorted(hosts, key=len, reverse=True)))})(?![\w-])")
    texts: dict[str, dict[str, list[str]]] = {}  # without any host's name -> the text -> who says so
    for name in names:
        for said in hosts[name].notes:
            text = _of_any(name, said)
            texts.setdefault(any_host.sub("*", text), {}).setdefault(text, []).append(name)
    lines = []
    for alike in texts.values():
        told = list(alike.items())
        shown = told if len(told) <= _ALIKE + 1 else told[:_ALIKE]
        lines += [f"note ({_names(by)}) {text}" for text, by in shown]
        if rest := told[len(shown) :]:
            lines.append(f"note ({_names(name for _, by in rest for name in by)}) the same of {len(rest)} others")
    return lines
