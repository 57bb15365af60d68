"""The last table of a run."""

from __future__ import annotations

import click

from livekit_metal.runtime.run.table import table
from livekit_metal.runtime.run.task import Result


def test_each_thing_that_changed_has_a_line_below_its_host() -> None:
    found = {
        "lk1": Result("done", seconds=10.44, summaries=["edge reloaded", "livekit 1.13.5 on slot b"], notes=["n"]),
        "lk2": Result("failed", "livekit: no slot is empty", seconds=0.31, notes=["n"]),
        "lk3": Result("untouched", "stopped before Services"),
    }
    assert (
        click.unstyle("\n".join(table(found, ["lk1", "lk2", "lk3"], ["lk2"])))
        == """
    host  result
    lk1  done        10.4 s
             edge reloaded
             livekit 1.13.5 on slot b
    lk2  failed      livekit: no slot is empty; 0.3 s
    lk3  untouched   stopped before Services
    note (lk1, lk2) n
    stopped at lk2; mend it and run the same command again"""
    )


def test_many_hosts_that_fared_alike_share_a_line() -> None:
    names = [f"lk{number}" for number in range(1, 101)]
    hosts = {
        name: Result("done", seconds=3 + number / 100, summaries=["livekit 1 -> 2"])
        for number, name in enumerate(names)
    }
    hosts["lk50"] = Result("failed", "livekit: it is broken", seconds=9.0)
    hosts["lk51"].word = "untouched"
    said = click.unstyle("\n".join(table(hosts, names, ["lk50"])))
    assert (
        said
        == """
    host                     result
    lk1, lk2, lk3 and 95 more  done        3.0 to 4.0 s
                                   livekit 1 -> 2
    lk50                       failed      livekit: it is broken; 9.0 s
    lk51                       untouched   3.5 s
                                   livekit 1 -> 2
    stopped at lk50; mend it and run the same command again""".replace(
            "host                     result", "host                       result"
        )
    )


def test_many_hosts_that_failed_for_the_same_reason_share_a_line() -> None:
    """Also where the reason names the host that gives it."""
    names = [f"lk{number}" for number in range(1, 101)]
    hosts = {name: Result("failed", f"preflight: {name}: peer: lk101 does not answer at 10.0.0.101") for name in names}
    said = [line.strip() for line in click.unstyle("\n".join(table(hosts, names))).splitlines() if "failed" in line]
    assert said == ["lk1, lk2, lk3 and 97 more  failed      preflight: peer: lk101 does not answer at 10.0.0.101"]


def test_a_note_of_many_hosts_is_one_line() -> None:
    """Also where it names the host that says it, and where it speaks of another host each time."""
    names = [f"lk{number}" for number in range(1, 101)]
    hosts = {name: Result("unchanged", notes=[f"preflight: {name}: memory: is small"]) for name in names}
    for number, name in enumerate(names):
        hosts[name].notes.append(f"preflight: {name}: peer: {names[number - 1]} is there and drops; a deploy of "
                                 f"{names[number - 1]} opens it")  # fmt: skip
    said = [line.strip() for line in table(hosts, names) if "note" in line]
    assert said == [
        "note (lk1, lk2, lk3 and 97 more) preflight: memory: is small",
        "note (lk1) preflight: peer: lk100 is there and drops; a deploy of lk100 opens it",
        "note (lk2) preflight: peer: lk1 is there and drops; a deploy of lk1 opens it",
        "note (lk3) preflight: peer: lk2 is there and drops; a deploy of lk2 opens it",
        "note (lk4, lk5, lk6 and 94 more) the same of 97 others",
    ]
