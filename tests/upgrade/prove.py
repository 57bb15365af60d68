"""``python -m tests.upgrade.prove RELEASE``: a release of livekit-server on a lab, as one file that can be sent back.

For who reaches upstream's archive, which not every machine can. The table of gaps with that release (and the step to
it from the newest that can be built here), then the doctor. ``--archive URL --sha256 SUM`` names an archive elsewhere,
such as one of your own that is packed as upstream packs it.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from livekit_metal.core.errors import SiteError
from livekit_metal.releases.catalogue import Archive, Pin, Release, find
from livekit_metal.runtime.artifacts.fetch import Artifact, fetch
from tests.support.hosts.deploys import merged
from tests.support.hosts.doctor import Rows, doctor
from tests.support.hosts.lab import ROOT
from tests.upgrade import judge, run
from tests.upgrade.__main__ import SECONDS, measured
from tests.upgrade.ground import Ground, GroundError
from tests.upgrade.judge import Outcome
from tests.upgrade.rows import PORTS, ROWS, Row, exactly, plus

BUILT = "1.13.5"  # the newest that can be built from its module: what is changed from
SHORT, SHORT_SECONDS = ("upgrade", "config", "edge"), 15.0
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
_OLD = {"release": BUILT, "source": "module", "file": "", "sha256": ""}
_DOCTOR = ("result", "check", "about", "vantage", "said")
_SETTING = "RELEASE"  # where problems of the release stand


@dataclass(frozen=True)
class Proof:
    """What there is to send back; ``error`` is why it ended early."""

    release: str
    program: Artifact
    origin: str
    outcomes: Sequence[Outcome]
    doctor: tuple[int, Rows]
    says: str = ""  # the program on the host, of itself
    error: str = ""

    @property
    def good(self) -> bool:
        proved = self.outcomes and not any(each.failed or each.skipped for each in self.outcomes)
        return bool(proved and not self.doctor[0] and self.doctor[1] and not self.error)


def fetched(release: str, archive: str = "", sha256: str = "") -> tuple[Artifact, Mapping[str, Any], str]:
    """The program, the settings of a site that deploys it, and where it is from. Raises SiteError."""
    arch = ARCH[platform.machine()]
    known = Release(
        component="livekit-server",
        version=release,
        origin=Archive(archive, "livekit-server", (Pin(arch, sha256.lower(), "given"),)),
        path=_SETTING,
    )
    if not archive:
        known = find("livekit-server", release, "archive", path=f"{_SETTING}.release")
    program = fetch(known, arch, progress=run.say)
    origin = known.origin
    assert isinstance(origin, Archive)
    settings: dict[str, Any] = {"release": release, "source": "archive"}
    if archive:  # what was fetched and compared just now, as a site can name no other archive than upstream's
        settings |= {"source": "file", "file": str(program.path), "sha256": program.sha256}
    return program, settings, f"{origin.url.replace('{arch}', arch)} (sha256 {origin.pin(arch).sha256})"


def rows(settings: Mapping[str, Any], short: bool) -> list[Row]:
    """The table's rows, with that release in all of them: first the step to it."""
    of_it = {"livekit": settings}
    found: list[Row] = []
    for row in ROWS:
        if 1 not in row.hosts or row.grows_to or (short and row.name not in SHORT):
            continue
        if row.name == "upgrade":
            change = f"{BUILT} to {settings['release']}"
            found.insert(0, replace(row, change=change, base={"livekit": _OLD}, after=plus(livekit=settings)))
        elif row.name == "ports":
            found.append(replace(row, base=merged(PORTS, of_it), after=exactly(of_it)))
        else:
            found.append(replace(row, base=merged(row.base, of_it)))
    return found


def prove(
    ground: Ground, settings: Mapping[str, Any], found: Sequence[Row], seconds: float
) -> tuple[list[Outcome], tuple[int, Rows], str]:
    """What the rows came to, what the doctor says of the site, and the program of itself."""
    outcomes = measured(ground, [(1, row) for row in found], seconds)
    if any(each.change == "bring the site back" for each in outcomes):
        return outcomes, (1, []), ""
    ground.stand_on({"livekit": settings})
    says = ground.on_first("$(readlink -f /proc/$(pgrep -o -x livekit-server)/exe) --version").text.strip()
    return outcomes, doctor(inventory=ground.inventory), says


def text(proof: Proof) -> str:
    """The file. Nothing secret is in it: no keys, no tokens, no names but those of the lab."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    cores, sdk = os.cpu_count(), metadata.version("livekit")
    lines = [
        f"# livekit-server {proof.release}: {'proved' if proof.good else 'NOT PROVED'}",
        "",
        f"- {datetime.datetime.now(datetime.UTC).date()}, livekit-metal {commit.stdout.strip() or 'of no checkout'}",
        f"- Linux {platform.release()}, {cores} cores, {platform.machine()}; client SDK livekit {sdk}",
        f"- from {proof.origin}",
        f"- its program: sha256 {proof.program.sha256}, {proof.program.size} bytes; it says {proof.says or 'nothing'}",
    ]
    lines += ["", "## Calls through changes", "", judge.markdown(proof.outcomes), ""]
    for outcome in proof.outcomes:
        lines += [f"- {outcome.change}: {line}" for each in outcome.problems for line in each.splitlines()[:1]]
    lines += ["", "## The doctor", "", "| result | check | about | from | said |", "|---|---|---|---|---|"]
    for each in proof.doctor[1] or [{"result": "it did not run"}]:
        cells = (str(each.get(name, "")).replace("|", "/") for name in _DOCTOR)
        lines.append(f"| {' | '.join(cells)} |")
    if proof.error:
        lines += ["", "## It ended early", "", *(f"    {line}" for line in proof.error.splitlines())]
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade.prove", description=__doc__)
    parser.add_argument("release", help="such as 1.13.9")
    parser.add_argument("--archive", default="", help="URL of an archive packed as upstream's; default: upstream's own")
    parser.add_argument("--sha256", default="", help="of that archive")
    parser.add_argument("--short", action="store_true", help=f"rows {', '.join(SHORT)}, short calls: ten minutes")
    parser.add_argument("--lab", default="prove", metavar="NAME", help="lab to make; default: %(default)s")
    given = parser.parse_args()
    if not re.fullmatch(r"\d+\.\d+\.\d+(-\w+)?", given.release):
        parser.error(f"{given.release} is no version; write one such as 1.13.9 (make prove RELEASE=1.13.9)")
    if bool(given.archive) != bool(given.sha256):
        parser.error("--archive and --sha256 go together: what is fetched is compared")
    return given


def main() -> int:
    given = arguments()
    os.environ["LAB"] = given.lab
    logging.getLogger("livekit").setLevel(logging.CRITICAL)  # what the SDK logs, a report says in one line
    try:
        program, settings, origin = fetched(given.release, given.archive, given.sha256)
    except SiteError as error:
        run.say(f"{error}\nnothing was made")
        return 1
    found = rows(settings, given.short)
    proof = Proof(given.release, program, origin, (), (1, []))
    with tempfile.TemporaryDirectory() as directory:
        ground = Ground(given.lab, Path(directory))
        try:
            outcomes, said, says = prove(ground, settings, found, SHORT_SECONDS if given.short else SECONDS)
            proof = replace(proof, outcomes=outcomes, doctor=said, says=says)
        except (GroundError, AssertionError, OSError, subprocess.SubprocessError) as error:
            proof = replace(proof, error=str(error))
        finally:
            ground.down()
    file = ROOT / f"livekit-server-{given.release}.proof.md"
    file.write_text(text(proof))
    run.say(f"\n{text(proof)}\nwritten to {file.name}: attach it to an issue")
    return 0 if proof.good else 1


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the SDK's exit handler may abort the process after a failed connection (livekit 1.2.0)
