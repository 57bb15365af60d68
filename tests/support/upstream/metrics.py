"""The metrics of upstream's programs, by version, and whether what asks for them would get an answer.

metrics.toml beside this is written by `make keys`, with metrics.go, from the source of each program: of egress and sip
from a copy at their tags, as the Go proxy has neither. A name with a label in braces has the values of that label,
where the source says them one by one.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from livekit_metal.releases.compatibility import numbers
from livekit_metal.releases.sources import catalogue
from tests.support.upstream.read import PROGRAMS, _directory

FILE = Path(__file__).with_name("metrics.toml")
# where each program makes its metrics
PLACES = {
    "livekit-server": ("pkg/telemetry/prometheus",),
    "egress": ("pkg/stats",),
    "ingress": ("pkg/stats",),
    "sip": ("pkg/stats",),
}
# what Prometheus adds, as the site's configuration says (roles/prometheus)
ADDED = {"job", "host", "component", "instance", "slot", "site", "le", "__name__"}
# but those of our own programs, which their tests have
_SELECTOR = re.compile(r"\b(livekit_(?!metal_|edge_|agents_)\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_BY = re.compile(r"\bby\s*\(([^)]*)\)")
_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")
Metrics = Mapping[str, list[str]]  # name, or name{label} -> labels, or values


def from_copy(component: str, directory: Path) -> dict[str, list[str]]:
    """The metrics of whatever version is in ``directory``. Raises CalledProcessError."""
    words = [_reader(), *(directory / place for place in PLACES[component])]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return {name: [each for each in rest.split(",") if each] for name, _, rest in _lines(said)}


def from_proxy(component: str, version: str) -> dict[str, list[str]]:
    """The metrics of a version whose module the Go proxy has. Raises CalledProcessError."""
    return from_copy(component, _directory(PROGRAMS[component], version))


def _lines(said: str) -> Iterator[tuple[str, str, str]]:
    return (line.partition("\t") for line in said.splitlines())


@functools.cache
def _reader() -> Path:
    built = Path(tempfile.mkdtemp(prefix="lkm-metrics-")) / "metrics"
    source = Path(__file__).with_name("metrics.go")
    subprocess.run(["go", "build", "-o", built, source], check=True, capture_output=True)
    return built


@functools.cache
def table() -> Mapping[str, Mapping[str, Metrics]]:
    """Component -> version -> what it has."""
    read = tomllib.loads(FILE.read_text())
    return {
        component: dict(sorted(versions.items(), key=lambda each: numbers(each[0])))
        for component, versions in read.items()
    }


def written(found: Mapping[str, Mapping[str, Metrics]]) -> str:
    """metrics.toml."""
    lines = ["# Written by `make keys`: the metrics of upstream's programs with their labels; see metrics.py."]
    for component, versions in found.items():
        for version in sorted(versions, key=numbers):
            lines += ["", f'[{component}."{version}"]']
            lines += [f'"{name}" = {_list(values)}' for name, values in sorted(versions[version].items())]
    return "\n".join(lines) + "\n"


def _list(values: list[str]) -> str:
    return json.dumps(values)


def silent(expression: str) -> list[str]:
    """Why a query of Prometheus would find nothing, by the program and version of which that is so.

    A metric must be in every version that can be installed of the program that has it in one (and that was read here);
    so must each label that is asked for, and the values where they are known.
    """
    found: list[str] = []
    known = installable()
    for name, matchers in _SELECTOR.findall(expression):
        owners = [component for component, versions in known.items() if any(_base(name, m) for m in versions.values())]
        if not owners:
            found.append(f"{name}: no version of any program has it")
        for component in owners:
            for version, metrics in known[component].items():
                found += [f"{component} {version}: {why}" for why in _without(name, matchers, expression, metrics)]
    return found


def installable() -> Mapping[str, Mapping[str, Metrics]]:
    """The table, without what livekit-metal cannot install."""
    found = {}
    for component, versions in table().items():
        offered = {version for origins in catalogue()[component].values() for version in origins}
        found[component] = {version: metrics for version, metrics in versions.items() if version in offered}
    return found


def _base(name: str, metrics: Metrics) -> str:
    """The metric that ``name`` is of, a part of a histogram too; '' for none."""
    return next((each for each in (name, _HISTOGRAM.sub("", name)) if each in metrics), "")


def _without(name: str, matchers: str, expression: str, metrics: Metrics) -> Iterator[str]:
    if not (base := _base(name, metrics)):
        yield f"has no {name}"
        return
    has = {*metrics[base], *ADDED}
    for label, how, value in _MATCHER.findall(matchers):
        values = metrics.get(f"{base}{{{label}}}")
        if label not in has:
            yield f"{name} has no label {label}"
        elif values is not None and how in ("=", "=~"):
            wanted = {each for each in value.split("|") if re.fullmatch(r"[\w-]+", each)}
            yield from (f"{name} has no {label} {each}" for each in sorted(wanted - {*values}))
    grouped = {label.strip() for labels in _BY.findall(expression) for label in labels.split(",")}
    yield from (f"{name} has no label {label}" for label in sorted(grouped - has - _made(expression)))


def _made(expression: str) -> set[str]:
    """Labels that the expression makes itself."""
    return set(re.findall(r'label_replace\(.*?,\s*"(\w+)"', expression, re.DOTALL))
