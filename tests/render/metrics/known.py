"""The metrics that a running site has (known.txt), and which of them PromQL asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
# host, component, slot: of every target; of the site where it is joined
_EVERYWHERE = {"host", "component", "slot", "job", "instance", "le", "site"}
_NO_METRICS = {"by", "on", "and", "or", "unless", "without", "ignoring", "group_left", "group_right", "bool", "offset"}


@dataclass(frozen=True)
class Metric:
    job: str
    kind: str
    labels: frozenset[str]


def known() -> dict[str, list[Metric]]:
    """Name as PromQL has it -> who has it."""
    found: dict[str, list[Metric]] = {}
    lines = (Path(__file__).parent / "known.txt").read_text().splitlines()
    for job, name, kind, labels in (line.split() for line in lines if not line.startswith("#")):
        one = Metric(job, kind, frozenset(() if labels == "-" else labels.split(",")))
        for suffix in _SUFFIXES.get(kind, ("",)):
            found.setdefault(name + suffix, []).append(one)
    return found


def selectors(expr: str) -> Iterator[tuple[str, str]]:
    """(metric, its {…} as it stands) of each selector."""
    bare = re.sub(r"(\bby|\bon|\bwithout|\bignoring|group_left|group_right)\s*\([^)]*\)", " ", expr)
    strings = r'"(?:[^"\\]|\\.)*"'
    for found in re.finditer(rf"([a-zA-Z_:][\w:]*)\s*(\{{(?:[^}}\"]|{strings})*\}})?(?!\s*\()(?![\w:])", bare):
        name, chosen = found[1], found[2] or ""
        before = bare[: found.start()]
        if name in _NO_METRICS or before.count('"') % 2 or re.search(r"[\d.\[]$", before):
            continue
        yield name, chosen


def asked(expr: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(metric, label -> value) of each selector."""
    for name, chosen in selectors(expr):
        yield name, dict(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"', chosen))


def unknown(expr: str) -> Iterator[str]:
    """What ``expr`` asks for that no running site has."""
    metrics = known()
    grouped = {w.strip() for by in re.findall(r"(?:by|on|group_left)\s*\(([^)]*)\)", expr) for w in by.split(",")}
    labels: set[str] = set(_EVERYWHERE)
    for name, chosen in asked(expr):
        if name not in metrics:
            yield f"{name} is no metric"
            continue
        has = frozenset().union(*(each.labels for each in metrics[name]))
        labels |= has
        if wrong := set(chosen) - has - _EVERYWHERE:
            yield f"{name} has no {', '.join(sorted(wrong))}"
        job = chosen.get("job")
        if job and not any(
            re.fullmatch(job, f"{each.job}-x" if each.job == "agents" else each.job) for each in metrics[name]
        ):
            yield f"{name} is not of {job}"
        joined = "and on (host, job," in expr  # with a metric that one of them has alone
        if len({each.job for each in metrics[name]} - {"*"}) > 1 and not job and not joined:
            yield f"{name} is of several jobs: choose one"
    labels |= set(re.findall(r'label_replace\(.*?"(\w+)"', expr, re.DOTALL))
    if wrong := grouped - labels - {""}:
        yield f"nothing has a label {', '.join(sorted(wrong))}"
