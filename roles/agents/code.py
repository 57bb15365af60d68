"""Where the code of a fleet is, and what runs it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, option
from livekit_metal.core.types.text import File

# Python of a host -> the newest C library that wheels may ask for: Debian 12, Ubuntu 24.04, Debian 13.
PYTHONS = {"3.11": "2_36", "3.12": "2_39", "3.13": "2_40"}
# Node of a host -> the oldest that is called so here: Ubuntu 24.04 (Debian 12 has 18.20), Debian 13.
NODES = {"18": (18, 19, 1), "20": (20, 19, 2)}
_SUFFIXES = {"python": ("py",), "node": ("js", "mjs", "cjs")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Checked):
    """Where the code of a fleet is."""

    python: File = option("", "directory with the code and its lock: requirements.txt with hashes, or uv.lock")
    node: File = option("", "the same of a fleet for Node: directory with the code and package-lock.json")
    entrypoint: File = option(
        "", "file in it whose module has the AgentServer, or exports the agent (Node); default: agent.py, agent.js"
    )
    interpreter: Literal["", "3.11", "3.12", "3.13", "18", "20"] = option(
        "",
        "Python of the hosts (Debian 12 has 3.11, Debian 13 3.13, Ubuntu 24.04 3.12) or their Node "
        "(Debian 12 and Ubuntu 24.04 18, Debian 13 20); default: Debian 12's",
    )

    @property
    def language(self) -> str:
        return "node" if self.node else "python"

    @property
    def directory(self) -> str:
        return self.node or self.python

    @property
    def entry(self) -> str:
        """The file of the entry point."""
        return self.entrypoint or f"agent.{_SUFFIXES[self.language][0]}"

    @property
    def version(self) -> str:
        """Of Python or Node."""
        return self.interpreter or ("18" if self.node else "3.11")

    def problems(self, path: str) -> Iterator[Problem]:
        if bool(self.python) == bool(self.node):
            fact = "has both python and node" if self.python else "has no directory"
            yield Problem(path, fact, "name one directory: python, or node")
            return
        suffixes = "|".join(_SUFFIXES[self.language])
        words = r"(\w+/)*\w+" if self.python else r"([\w-][\w.-]*/)*[\w-][\w.-]*"
        if not re.fullmatch(rf"{words}\.({suffixes})", self.entry, re.ASCII) or PurePosixPath(self.entry).is_absolute():
            what = "Python" if self.python else "JavaScript"
            remedy = f"write a {what} file in the directory, such as agent.{_SUFFIXES[self.language][0]}"
            yield Problem(f"{path}.entrypoint", f"is {self.entry!r}", f"{remedy}: it is imported as a module")
        if self.version not in (NODES if self.node else PYTHONS):
            known = ", ".join(NODES if self.node else PYTHONS)
            yield Problem(f"{path}.interpreter", f"is {self.version}", f"write one of this language: {known}")
