"""libvirt's daemons: those of this machine where they run, or else ours, which end with the last lab of machines."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

from lab.places import MACHINE_WIDE
from lab.run import LabError, lock, run, say, succeeds, wait_until
from lab.vm.places import LIBVIRT

_DAEMONS = ("virtlogd", "libvirtd")  # in the order in which they start
_LOCK = MACHINE_WIDE / "libvirt.lock"
_LIBVIRTS = re.compile(
    r"|table ip6? \w+ \{|chain \w+ \{|\}|type \w+ hook \w+ priority \w+; policy accept;"
    r"|(counter packets \d+ bytes \d+ )?jump LIBVIRT_\w+"
)
_ANSWERS = 30.0  # s
_ENDS = 20.0  # s


def start() -> None:
    """Have libvirt answer. Raises LabError when it does not."""
    with _locked():
        if _answers():
            return
        for daemon in _DAEMONS:
            if _pid(daemon) is None:
                run(daemon, "--daemon", "--pid-file", _file(daemon))
        if not wait_until(_answers, _ANSWERS, every=0.2):
            raise LabError(
                "libvirtd", f"does not answer at {LIBVIRT} after {_ANSWERS:.0f} s", "run libvirtd and see why"
            )


def stop() -> None:
    """End the daemons that we have started, if nothing is left that needs them."""
    with _locked():
        if (
            _pid("libvirtd") is not None
            and _answers()
            and run("virsh", "-c", LIBVIRT, "list", "--all", "--name").strip()
        ):
            say("libvirtd has other machines, so it runs on")
            return
        for daemon in reversed(_DAEMONS):
            if (pid := _pid(daemon)) is not None:
                os.kill(pid, signal.SIGTERM)
                if not wait_until(lambda name=daemon: _pid(name) is None, _ENDS):  # type: ignore[misc]
                    raise LabError(daemon, f"has not ended {_ENDS:.0f} s after SIGTERM", f"see process {pid}")
            _file(daemon).unlink(missing_ok=True)
        if not _answers():
            _remove_tables()
        _LOCK.unlink()


def only_libvirts(listing: str) -> bool:
    """Whether a table, as ``nft list table`` shows it, has nothing but libvirt's empty chains and jumps to them."""
    return "LIBVIRT_" in listing and all(_LIBVIRTS.fullmatch(line.strip()) for line in listing.splitlines())


def _remove_tables() -> None:
    """libvirtd leaves its chains behind, by which every packet of this machine then goes."""
    for family in ("ip", "ip6"):
        for table in ("filter", "nat", "mangle"):
            words = ("table", family, table)
            if succeeds("nft", "list", *words) and only_libvirts(run("nft", "list", *words)):
                run("nft", "delete", *words)


def _answers() -> bool:
    return succeeds("virsh", "-c", LIBVIRT, "version", "--daemon")


def _file(daemon: str) -> Path:
    return MACHINE_WIDE / f"{daemon}.pid"


def _pid(daemon: str) -> int | None:
    """Our daemon's process; a number that now belongs to another program is none of ours."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(_file(daemon).read_text())
        if Path(f"/proc/{pid}/comm").read_text().strip() == daemon:
            return pid
    return None


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    with lock(_LOCK, "libvirt's daemons"):
        yield
