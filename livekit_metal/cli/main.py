"""``livekit-metal COMMAND …``: :mod:`.init` writes a repository, everything else becomes another program."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from livekit_metal.cli import commands
from livekit_metal.cli.init import command as init
from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import nearest

INIT = "a repository for a site: inventory, deploy.py, config.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: that of the command; 2 for wrong usage."""
    words = [*(sys.argv[1:] if argv is None else argv)]
    if not words or words[0] in ("-h", "--help"):
        print("\n".join(usage()))
        return 0 if words else 2
    name, *rest = words
    if name == "init":
        return init.main(rest)
    if name not in commands.names():
        return _refused(Problem(f"livekit-metal {name}", "is no command", nearest(name, ["init", *commands.names()])))
    command = commands.command(name, rest)
    return _refused(command) if isinstance(command, Problem) else _become(command)


def _become(command: list[str]) -> NoReturn:
    sys.stdout.flush()
    os.execv(command[0], command)


def _refused(problem: Problem) -> int:
    print(problem, file=sys.stderr)
    return 2


def usage() -> list[str]:
    known = {"init DIR": INIT} | {f"{name} {words}": about for name, (words, about) in commands.table().items()}
    width = max(map(len, known))
    lines = (f"  {command:{width}}  {about}".rstrip() for command, about in known.items())
    deploy = "A deploy is pyinfra's: pyinfra INVENTORY deploy.py"
    return ["usage: livekit-metal COMMAND …", "", *lines, "", deploy]
