"""lk, LiveKit's command-line tool, with the site as its project: ``python -m procedures.lk INVENTORY -- ARGUMENTS``.

    python -m procedures.lk inventories/prod.py -- room list

URL and current API key of the inventory are in no argument and no variable: lk reads them from a file that only this
account can read, and that is gone when it ends. Variables LIVEKIT_… of the shell are not passed on: they would lead to
another site. The program is that of the role `lk` where a host of the site has it, else the one in PATH.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError
from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.roles.lk import context
from livekit_metal.roles.lk.settings import PROGRAM, Settings
from livekit_metal.runtime.artifacts import fetch
from livekit_metal.runtime.artifacts.status_line import StatusLine
from livekit_metal.site import inventory
from livekit_metal.site.model import Site

_THEIRS = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: lk's own; 2 when it could not be started."""
    words = [*(sys.argv[1:] if argv is None else argv)]
    if not words or words[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    named, *rest = words
    try:
        if not Path(named).is_file():
            raise SiteError([Problem(named, "there is no such inventory", "name one: inventories/prod.py")])
        site = inventory.read(Path(named))
        access, program = Access.of(site), _program(site)
    except (SiteError, CallError) as error:
        print(error, file=sys.stderr)
        return 2
    return _run(program, rest[1:] if rest[:1] == ["--"] else rest, site.name, access)


def _program(site: Site) -> str:
    """The file to run. Raises SiteError."""
    having, arch = site.with_role(PROGRAM), _ARCH.get(platform.machine(), "")
    if having and arch and platform.system() == "Linux":
        with StatusLine() as say:
            made = fetch.fetch(site.of(Settings).release_spec(), arch, lock=site.lock, progress=say)
        return str(made.path)
    if (found := shutil.which(PROGRAM)) is None:
        remedy = "install it (https://docs.livekit.io/home/cli/), or give a host the role lk"
        raise SiteError([Problem(PROGRAM, "is not in PATH on this machine", remedy)])
    return found


def _run(program: str, words: Sequence[str], name: str, access: Access) -> int:
    memory = os.environ.get("XDG_RUNTIME_DIR", "")  # of this account, and on no disk
    with tempfile.TemporaryDirectory(
        prefix="lkm-lk-", dir=memory if Path(memory).is_dir() and memory else None
    ) as home:
        file = Path(home) / ".livekit" / "cli-config.yaml"
        file.parent.mkdir(mode=0o700)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(context.document(name, access.url, access.api_key, access.api_secret))
        return _ended(program, words, _environment(home, access))


def _environment(home: str, access: Access) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _THEIRS}
    return kept | {"HOME": home} | ({"SSL_CERT_FILE": access.ca_file} if access.ca_file else {})


def _ended(program: str, words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run it to its end; signals are for lk, and the file goes after it."""
    signal.signal(signal.SIGINT, lambda *_: None)  # the terminal's: lk has it too
    # of any other name it says that it was called something else
    running = subprocess.Popen([PROGRAM, *words], executable=program, env=environment)

    def pass_on(number: int, _: FrameType | None) -> None:
        running.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    status = running.wait()
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main())
