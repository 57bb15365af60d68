"""A role's files as one bundle: one round trip, 0600 from birth, validated, each renamed into place.

Atomic per file; a bundle as a whole is not: a run killed half-way leaves a mix, which the next run repairs.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import io
import os
import re
import secrets
import shlex
import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.runtime.host.commands import read, run
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action

_TEMPLATES = Path(__file__).parents[2] / "templates"

_WRITE = shell.program(__file__, "write-bundle")


@dataclass(frozen=True, slots=True)
class File:
    """A file as it should be (no blanks in its path). ``secret`` files are never shown, not even as a diff."""

    path: str
    text: str
    mode: str = "644"
    user: str = "root"
    group: str = "root"
    secret: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def current(self, seen: HostState) -> bool:
        """Whether the host has exactly this file."""
        same = seen.files.get(self.path) == self.sha256
        return same and seen.stat.get(self.path) == (self.mode, self.user, self.group)


@cache
def _environment() -> Environment:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    compiled = base / "livekit-metal" / "jinja"  # compiling 35 templates costs 180 ms of every run without it
    compiled.mkdir(parents=True, exist_ok=True)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - configuration files, not HTML
        bytecode_cache=FileSystemBytecodeCache(str(compiled)),
    )
    environment.filters["env"] = environment_value
    environment.filters["sh"] = shlex.quote
    return environment


def environment_value(value: str) -> str:
    """``value`` quoted so that systemd's EnvironmentFile= and a shell's ``.`` read the same thing (systemd.exec(5))."""
    if "\n" in value:
        raise ValueError("a value with a line break cannot go into an environment file")
    return '"' + re.sub(r'(["\\$`])', r"\\\1", value) + '"'


def text(template: str, **variable: Any) -> str:
    """A rendered template (path below templates/). Exactly one variable, named like the role."""
    return _environment().get_template(template).render(**variable)


def digest(files: Iterable[File], *more: str) -> str:
    """16 hex digits that change when any file (path, content, owner, mode) or any of ``more`` does."""
    h = hashlib.sha256()
    for f in files:
        h.update(f"{f.path} {f.mode} {f.user} {f.group} {f.sha256}\n".encode())
    for m in more:
        h.update(f"{m}\n".encode())
    return h.hexdigest()[:16]


def needs(files: Iterable[File]) -> StateQuery:
    return StateQuery(files=frozenset(f.path for f in files))


Validate = Callable[[Callable[[str], str]], str]


def bundle(files: Sequence[File], seen: HostState, validate: Validate | None = None) -> tuple[Action, ...]:
    """The step that brings the stale ones of ``files`` to the host; no step when all are current.

    ``validate(new)`` gives a shell command that must succeed before anything is renamed; ``new(path)`` is where the
    new version of a file is at that moment.
    """
    stale = [f for f in files if not f.current(seen)]
    if not stale:
        return ()

    def write(host: Host) -> None:
        suffix = f".lkm-{secrets.token_hex(4)}"
        paths = {f.path for f in stale}
        check = validate(lambda p: shlex.quote(p + suffix if p in paths else p)) if validate else ""
        show(host, stale)
        run(host, _WRITE, suffix, check, *(f.path for f in stale), stdin=_tar(stale, suffix))

    return (Action(f"write {_names(stale)}", write, preview=lambda host: show(host, stale)),)


def directory(path: str, seen: HostState, *, mode: str, user: str, group: str) -> tuple[Action, ...]:
    """The step that makes a directory and gives it owner and mode; ``path`` must be among the needed files."""
    if seen.stat.get(path) == (mode, user, group):
        return ()
    make = 'umask 022; exec install -d -m "$1" -o "$2" -g "$3" -- "$4"'
    return (Action(f"make {path}", lambda host: run(host, make, mode, user, group, path)),)


def remove(paths: Iterable[str], seen: HostState) -> tuple[Action, ...]:
    """The step that removes those of ``paths`` that exist."""
    present = [p for p in paths if p in seen.files]
    if not present:
        return ()
    return (Action(f"remove {', '.join(present)}", lambda host: run(host, 'rm -f -- "$@"', *present)),)


def _names(files: Sequence[File]) -> str:
    names = [f.path.rsplit("/", 1)[1] for f in files]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _tar(files: Iterable[File], suffix: str) -> str:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for f in files:
            data = f.text.encode()
            info = tarfile.TarInfo(f.path.lstrip("/") + suffix)
            info.size, info.mode, info.uname, info.gname = len(data), int(f.mode, 8), f.user, f.group
            tar.addfile(info, io.BytesIO(data))
    return base64.encodebytes(out.getvalue()).decode()  # pyinfra's standard input is text


def show(host: Host, files: Iterable[File]) -> None:
    """With --diff: what of ``files`` differs from what the host has."""
    for f in files if host.state.config.DIFF else ():
        if f.secret:
            click.echo(f"    {host.name}: {f.path} (secret, not shown)", err=True)
            continue
        old = read(host, '[ ! -e "$1" ] || cat -- "$1"', f.path)
        lines = difflib.unified_diff(old.splitlines(), f.text.splitlines(), f.path, f"{f.path} (new)", lineterm="")
        for line in lines:
            click.echo(f"    {host.name}: {line}", err=True)
