"""`make test-load` without Go and without a server: what is compared, which runs count, what is made of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench.load import __main__ as load
from bench.load import joins, programs, run, server
from bench.load.run import Cost, StarvedError, Workload


def test_the_load_is_put_on_what_a_slot_would_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our configuration without Redis; the candidates differ from it in what they are named for."""
    monkeypatch.setattr(programs, "server", lambda _: tmp_path / "server")
    monkeypatch.setattr(programs, "server_for_level_3", lambda _: tmp_path / "v3")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/as/it/was")
    found = server.kinds()
    assert os.environ["XDG_CONFIG_HOME"] == "/as/it/was"
    ours = found["ours"].config
    assert "redis" not in ours
    assert ours["rtc"]["udp_port"] == "50000-50099"
    assert found["batch"].config["rtc"] | {"batch_io": ours["rtc"]["batch_io"]} == ours["rtc"]
    assert found["stock"].config["rtc"]["port_range_end"] == 60000
    assert {name for name, kind in found.items() if kind.program.name == "v3"} == {"GOAMD64=v3"}
    assert found["GOAMD64=v3"].config == ours
    monkeypatch.setattr(programs, "server_for_level_3", lambda _: None)
    assert "GOAMD64=v3" not in server.kinds()


def test_a_processor_without_one_instruction_is_not_of_level_3() -> None:
    flags = "fpu sse4_2 avx f16c movbe xsave fma bmi1 avx2 bmi2 abm"
    assert programs.level_3(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert not programs.level_3(f"processor\t: 0\nflags\t\t: {flags.replace(' bmi2', '')}\n")
    assert not programs.level_3("processor\t: 0\nFeatures\t: asimd\n")  # arm64


def test_who_sends_is_said_to_the_generator() -> None:
    assert Workload(2, 5).words == ["-rooms", "2", "-people", "5", "-senders", "5", "-video", "0"]
    assert Workload(2, 5, senders=0).words[4:6] == ["-senders", "0"]


class Seconds:
    """A generator that has received so much in each second, and a server that computes half a second in each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *received: int, late: float = 0) -> None:
        self.rate, self.memory, self._left, self._now, self._late = 1000.0, 50.0, iter(received), 0.0, late
        monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: self._now))

    @property
    def cpu(self) -> float:
        return self._now / 2

    def second(self) -> int:
        self._now += 1 + self._late
        return next(self._left)

    def window(self, seconds: int) -> Cost:
        return run.window(cast("Any", self), cast("Any", self), seconds)


def test_a_run_is_what_the_server_computed_for_each_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = Seconds(monkeypatch, 3, 3, 1000, 1000, 960).window(2)
    assert (round(cost.each, 1), cost.rate, cost.memory) == (510.2, 980, 50)


@pytest.mark.parametrize(
    ("received", "late", "said"),
    [
        ((1000, 1000, 890, 1000, 1000), 0, "890 packets/s of 1000"),  # before the window
        ((1000, 1000, 1000, 1000, 790), 0, "895 packets/s of 1000"),
        ((1000, 1000, 1000, 1000, 1000), 0.25, "800 packets/s of 1000"),  # its seconds are longer than ours
        ((1000, 1000, 0), 0, "0 packets/s of 1000"),
        ((1000, 1000, 1000, 1000, 1300), 0, "1150 packets/s of 1000"),  # what had waited before
    ],
)
def test_a_run_in_which_the_generator_starved_does_not_count(
    received: tuple[int, ...], late: float, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StarvedError, match=f"^{said}$"):
        Seconds(monkeypatch, *received, late=late).window(2)


def _kinds(*names: str) -> dict[str, server.Kind]:
    return {name: server.Kind(Path(name), {}) for name in names}


def test_a_run_that_does_not_count_is_made_again_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    results: dict[str, Iterator[float]] = {"stock": iter((20, 0, 40, 30)), "ours": iter((45, 60, 15))}

    def measured(kind: server.Kind, _: Workload, __: int) -> Cost:
        order.append(kind.program.name)
        if not (each := next(results[kind.program.name])):
            raise StarvedError("1 packets/s of 2")
        return Cost(each, 1000, 50)

    monkeypatch.setattr(load, "measured", measured)
    costs, thrown = load.rounds(_kinds("stock", "ours"), Workload(4, 2), 3, 1)
    assert order == ["stock", "ours", "stock", "stock", "ours", "stock", "ours"]
    assert [cost.each for cost in costs["stock"]] == [20, 40, 30]
    assert thrown == {"stock": ["1 packets/s of 2"], "ours": []}
    first, second = load.table(costs, thrown, Workload(4, 2))
    assert "30 (20 to 40)" in first
    assert "1 thrown away (1 packets/s of 2)" in first
    assert "1.50 x" in second
    assert "80.0 (60.0 to 120.0)" in first  # 0.6 of a core at 7.5 ms a room
    assert "thrown" not in second


def test_a_kind_that_never_counts_has_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_: object) -> Cost:
        raise StarvedError("1 packets/s of 2")

    monkeypatch.setattr(load, "measured", measured)
    costs, thrown = load.rounds(_kinds("stock"), Workload(4, 2), 2, 1)
    assert not costs["stock"]
    (line,) = load.table(costs, thrown, Workload(4, 2))
    assert line.split(",")[0].split() == ["stock", "nothing"]


def test_those_who_are_in_cost_the_next_join_nothing() -> None:
    """10 people within 4 s, of whom each costs 5 ms a second: 100 ms of the second were theirs, on average 2 s each."""
    many = joins.costs(1.0, 4.0, 0.05, 10, 60)
    assert (round(many.joining, 6), many.staying) == (0.09, 0.005)
    each = joins.each(joins.costs(0.5, 2.0, 0.02, 4, 54), many, 6)
    assert (round(each.joining), each.staying, each.memory) == (90, 5, 1024)


def test_joins_a_core_count_both_daemons() -> None:
    seen = [[joins.Each(8, 1, 400), joins.Each(2, 0, 10)], [joins.Each(16, 1, 400), joins.Each(4, 0, 10)]]
    one, other = joins.table("HAProxy", seen)
    assert "12 (8 to 16)" in one
    assert other.endswith("45 (30 to 60)")
