"""docs/coverage.md: what is proved on which distribution and architecture, from the rows of tests/rows.py."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from livekit_metal.roles.preflight.checks import PROVED, RENDERED
from tests.rows import ROWS, Row

RELEASES = {"bookworm": ("debian", "12"), "trixie": ("debian", "13")}
# What is proved on a host, and the tests that do: whole folders, or files that depend on the system.
LAYERS = {
    "the wheel alone deploys a fresh host": "tests/library",
    "a host as a deploy leaves it; a second one changes nothing": "tests/host",
    "kernel settings that a container has": "tests/host/test_kernel.py",
    "calls": "tests/online",
    "deploys that are killed, doubled, given bad input": "tests/faults",
    "a kernel of its own: boots, buffers, clocks, a full table, power cuts": "tests/vm",
    "the hosts' own upgrades": "tests/patch",
    "the hosts' own upgrades, with a kernel": "tests/vm/test_patch.py",
    "ten hosts in waves": "tests/waves",
    "every query of every rule and panel": "tests/watch",
    "recordings, streams and phone calls": "tests/media",
    "recordings by a browser": "tests/browser",
    "agents": "tests/agents",
    "certificates by ACME": "tests/acme",
    "behind a proxy of the operator's": "tests/proxies",
    "beside other services on the host": "tests/field",
    "TURN on UDP 443": "tests/udp443",
    "Valkey, sudo-rs and uutils beneath it": "tests/uutils",
}
# What a row cannot say by the name of its system.
_NOTES = """\
Row *uutils* runs on Debian 13 with what Ubuntu 26.04 has instead: Valkey (8.1, there 9.0), sudo-rs and uutils'
coreutils (`tests/uutils`), of Debian's packages. It proves those, not Ubuntu.
"""
# What tests say without a host.
WITHOUT_A_HOST = {
    "files, read back by Debian 12's programs; they do not depend on the distribution": "tests/render",
    "Ubuntu passes preflight, with a note": (
        "tests/roles/preflight/test_preflight.py::test_ubuntu_passes_with_a_notice"
    ),
    "the program for arm64 is taken from an image": (
        "tests/controller/test_image.py::test_the_architecture_is_chosen_and_the_bytes_follow_from_the_digest"
    ),
    "an archive for arm64 has a sum of its own": (
        "tests/unit/artifacts/test_releases.py::test_archives_are_pinned_per_architecture"
    ),
}
_HEAD = """\
# What is proved where

Generated from `tests/rows.py` (`python -m docs`); do not edit. A cell names the rows of `python -m tests.run` whose
tests prove it there, on lab hosts; *rendered*: files are made and nobody has deployed them; *-*: not tried. Hosts
are containers, but for rows that begin with *vm*: virtual machines, which have a kernel of their own.
"""


def coverage_md() -> str:
    """The table."""
    systems = [*sorted(PROVED), *sorted(RENDERED)]
    names = [f"{name.title()} {version}, amd64" for name, version in systems] + ["Debian 12, arm64"]
    lines = [
        _HEAD,
        f"| what | tests | {' | '.join(names)} |",
        f"|---|---|{'---|' * len(names)}",
    ]
    for what, path in LAYERS.items():
        cells = [", ".join(proved(path, system)) or ("rendered" if system in RENDERED else "-") for system in systems]
        cells.append(", ".join(proved(path, ("debian", "12"), "arm64")) or "rendered")
        lines.append(f"| {what} | `{path}` | {' | '.join(cells)} |")
    lines += ["", _NOTES, "Without a host:", "", "| what | test |", "|---|---|"]
    lines += [f"| {what} | `{test}` |" for what, test in WITHOUT_A_HOST.items()]
    return "\n".join([*lines, ""])


def proved(path: str, system: tuple[str, str], arch: str = "amd64") -> tuple[str, ...]:
    """The rows that run the tests at ``path`` on hosts of ``system`` and ``arch``."""
    rows = [row for row in ROWS if (RELEASES[row.release], row.arch) == (system, arch)]
    return tuple(row.name for row in rows if path in covered(row))


def covered(row: Row) -> frozenset[str]:
    """Which of the layers' tests a row has."""
    given = list(_given(row))
    return frozenset(path for path in LAYERS.values() if any(_within(path, each, without) for each, without in given))


def _given(row: Row) -> Iterator[tuple[str, frozenset[str]]]:
    """The paths that pytest is given, each with those that it is to leave out."""
    for words in (row.first, *(step.words for step in row.steps)):
        each = shlex.split(words)
        without = frozenset(word.removeprefix("--ignore=") for word in each if word.startswith("--ignore="))
        yield from ((word, without) for word in each if word.startswith("tests/"))


def _within(path: str, given: str, without: frozenset[str]) -> bool:
    """Whether ``given`` has the tests at ``path``, or a part of them that is no layer of its own."""
    if path in without:
        return False
    return f"{path}/".startswith(f"{given}/") or (given.startswith(f"{path}/") and given not in LAYERS.values())
