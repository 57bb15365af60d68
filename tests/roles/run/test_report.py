"""The last table of a run."""

from __future__ import annotations

import click

from livekit_metal.runtime.run.report import Results, table
from livekit_metal.runtime.run.task import Result


def test_each_thing_that_changed_has_a_line_below_its_host() -> None:
    found = Results(
        hosts={
            "lk1": Result("done", seconds=10.44, summaries=["edge reloaded", "livekit 1.13.5 on slot b"], notes=["n"]),
            "lk2": Result("failed", "livekit: no slot is empty", seconds=0.31, notes=["n"]),
            "lk3": Result("untouched", "stopped before Services"),
        },
        order=["lk1", "lk2", "lk3"],
        stopped_at="lk2",
    )
    assert (
        click.unstyle("\n".join(table(found)))
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
