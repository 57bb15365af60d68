"""Which program a command is: pyinfra with a file of procedures/, or a module of this package.

They take the place of this process: signals and the exit status are theirs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from livekit_metal.core.errors import Problem

_PROCEDURES = Path(__file__).parents[1] / "procedures"
_PROGRAMS = {  # what is no deploy file of pyinfra
    "secrets": ("INVENTORY VERB", "livekit_metal.procedures.secrets"),
    "lk": ("INVENTORY -- ARGUMENTS", "livekit_metal.procedures.lk"),
    "dashboards": ("FOLDER", "livekit_metal.procedures.dashboards"),
    "call": ("--inventory INVENTORY", "livekit_metal.call"),
    "janitor": ("--inventory INVENTORY", "livekit_metal.janitor"),
}
_DOCTOR = "livekit_metal.diagnosis"  # with nothing but URL and key


def _files() -> dict[str, Path]:
    """The deploy files by the names of their commands."""
    found = sorted(_PROCEDURES.glob("[a-z]*.py"))
    return {file.stem.replace("_", "-"): file for file in found if file.stem not in _PROGRAMS}


def names() -> list[str]:
    return [*_files(), *_PROGRAMS]


def table() -> Mapping[str, tuple[str, str]]:
    """Command -> its arguments, and the first line of what it says about itself."""
    files = {name: ("INVENTORY …", _about(file)) for name, file in _files().items()}
    home = _PROCEDURES.parent
    ours = (_PROCEDURES / f"{name}.py" for name in _PROGRAMS)
    others = {name: (words, _about(home / name / "__init__.py")) for name, (words, _) in _PROGRAMS.items()}
    return files | others | {file.stem: (_PROGRAMS[file.stem][0], _about(file)) for file in ours if file.exists()}


def _about(file: Path) -> str:
    """What a file's docstring begins with."""
    try:
        text = ast.get_docstring(ast.parse(file.read_text())) or ""
    except OSError:
        return ""
    return text.partition("\n")[0].partition(": ")[0].rstrip(".")


def command(name: str, words: Sequence[str]) -> list[str] | Problem:
    """The program and its arguments for ``livekit-metal name words``, or what is missing in them."""
    python = [sys.executable, "-m"]
    if name in _PROGRAMS:
        return [*python, _PROGRAMS[name][1], *words]
    if name == "doctor" and words and words[0].startswith("-"):
        return [*python, _DOCTOR, *words]
    if not words or words[0].startswith("-"):
        return Problem(f"livekit-metal {name}", "names no inventory", f"write livekit-metal {name} inventories/prod.py")
    inventory, *rest = words
    return [*python, "pyinfra", inventory, str(_files()[name]), *rest]
