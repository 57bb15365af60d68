"""``python -m tests.upgrade [ROW…]``: the table of what a change does to a call; exit status 1 when a row failed."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.support.calls.control import untouched_server
from tests.support.hosts.lab import lab
from tests.upgrade import document, judge, run
from tests.upgrade.ground import Ground, GroundError
from tests.upgrade.judge import Outcome
from tests.upgrade.rows import ROWS, Row, Settings

SECONDS = 60.0
TRIES = 3  # of a row, as long as the machine is too busy for the control call itself


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"default: all of {', '.join(names)}")
    parser.add_argument("--hosts", type=int, choices=(1, 3), help="only on a site of this size")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each call; default: %(default)s")
    parser.add_argument("--lab", default="upgrade", metavar="NAME", help="lab to make; default: %(default)s")
    parser.add_argument("--keep", action="store_true", help="leave the lab as it is in the end")
    said = (
        f"write what was measured to {document.FILE}, failures too; with --hosts only that size, with rows only those"
    )
    parser.add_argument("--write", action="store_true", help=said)
    given = parser.parse_args()
    if unknown := [name for name in given.rows if name not in names]:
        parser.error(f"no row {unknown[0]!r}; there are {', '.join(names)}")
    if given.write and given.seconds < SECONDS:
        parser.error(f"--write is for calls of {SECONDS:.0f} s")
    if given.write and given.rows and not given.hosts:
        parser.error("--write of single rows is for one size: --hosts 1 or 3")
    return given


def chosen(given: argparse.Namespace) -> list[tuple[int, Row]]:
    """Sizes of site and rows, in the order that makes the fewest labs: from one host it grows to three."""
    sizes = [given.hosts] if given.hosts else [1, 3]
    return [
        (hosts, row)
        for hosts in sizes
        for row in ROWS
        if hosts in row.hosts and (not given.rows or row.name in given.rows)
    ]


def measured(ground: Ground, rows: list[tuple[int, Row]], seconds: float) -> list[Outcome]:
    """The outcomes of the rows, up to one after which the site cannot be brought back."""
    outcomes: list[Outcome] = []
    for hosts, row in rows:
        try:
            outcomes += _row(ground, hosts, row, seconds)
        except (GroundError, AssertionError) as error:
            outcomes.append(Outcome(change="bring the site back", hosts=str(ground.hosts), problems=(str(error),)))
            run.say(f"FAILED {error}\nthe rows after this one are not tried")
            break
    return outcomes


def _row(ground: Ground, hosts: int, row: Row, seconds: float) -> list[Outcome]:
    """A row until it says something: again where the machine lost the control call, twice more where a gap is too long.

    Everything but the first kind is returned. A gap is an outlier, not a failure, when neither of those two has one.
    """
    base = row.begins(ground.base if ground.hosts == hosts else {})
    for _ in range(TRIES):
        said = tried(ground, hosts, row, base, seconds)
        if not said[0].void:
            break
        run.say("the machine could not hold the control call: this row is measured once more")
    failed = [outcome for outcome in said if outcome.failed]
    if not failed or not all(outcome.over for outcome in failed):
        return said
    run.say("a gap is too long: this row is measured twice more")
    more = [outcome for _ in range(2) for outcome in tried(ground, hosts, row, base, seconds)]
    if any(outcome.failed for outcome in more):
        return said + more
    return [replace(outcome, outlier=outcome.failed) for outcome in said] + more


def tried(ground: Ground, hosts: int, row: Row, base: Settings, seconds: float) -> list[Outcome]:
    """One measurement of a row, on a site of ``hosts`` that has ``base``: an outcome for each of its calls.

    What was changed stays where all went well, for the row after it.
    """
    if ground.hosts != hosts or ground.base != base:
        if ground.hosts != hosts:
            ground.up(hosts)
        run.say(f"--> {hosts} host(s), the site's own inventory{f' but for {dict(base)}' if base else ''}")
        ground.stand_on(base)
    with untouched_server(lab()) as control:
        outcomes = run.row(ground, row, control, seconds)
    if not outcomes[0].skipped:
        if not any(outcome.failed for outcome in outcomes):
            ground.base = row.after(base)
        row.back(ground)
    run.say("\n".join([judge.table(outcomes), *(line for each in outcomes for line in judge.moments(each))]))
    return outcomes


def main() -> int:
    given = arguments()
    os.environ["LAB"] = given.lab
    logging.getLogger("livekit").setLevel(logging.CRITICAL)  # what the SDK logs, a report says in one line
    with tempfile.TemporaryDirectory() as directory:
        ground = Ground(given.lab, Path(directory))
        try:
            outcomes = measured(ground, chosen(given), given.seconds)
            site = document.Site.of(ground) if given.write else None
        finally:
            if not given.keep:
                ground.down()
    failed = [outcome for outcome in outcomes if outcome.failed]
    why = [f"FAILED {o.change}, {o.hosts} host(s): {p.splitlines()[0]}" for o in failed for p in o.problems]
    run.say("\n".join(["", *why, judge.table(outcomes)]))
    if site:
        sizes = [given.hosts] if given.hosts else [1, 3]
        by_size = {size: [o for o in outcomes if o.hosts.split()[0] == str(size)] for size in sizes}
        document.write(by_size, site, whole=not given.rows)
    return 1 if failed else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the SDK's exit handler may abort the process after a failed connection (livekit 1.2.0)
