"""The decision about slots, for every combination of what can be observed."""

from __future__ import annotations

import itertools

import pytest

from stack.slots import ALONE, Decision, Move, Slot, State, decide, retire

WANTED, OTHER = "wanted", "other"
STATES = (
    Slot(State.EMPTY),
    Slot(State.RUNNING, WANTED),
    Slot(State.RUNNING, OTHER),
    Slot(State.DRAINING, WANTED),
    Slot(State.DRAINING, OTHER),
    Slot(State.ALONE, WANTED),
    Slot(State.ALONE, OTHER),
)
FREE = (State.EMPTY, State.ALONE)
EVERY = [
    (active, dict(zip("abc", states, strict=True)))
    for active in ("", "a", "b", "c", "gone")
    for states in itertools.product(STATES, repeat=3)
]


@pytest.mark.parametrize(("active", "slots"), EVERY)
def test_every_combination_keeps_the_promises(active: str, slots: dict[str, Slot]) -> None:
    decision = decide(active, slots, WANTED)

    if slots.get(active) == Slot(State.RUNNING, WANTED):
        assert (decision.move, decision.slot) == (Move.KEEP, active)
    elif Slot(State.RUNNING, WANTED) in slots.values():
        assert decision.move is Move.RESUME
        assert slots[decision.slot] == Slot(State.RUNNING, WANTED)
    elif any(s.state in FREE for s in slots.values()):
        assert decision.move is Move.START
        assert slots[decision.slot].state in FREE, "a process that runs or drains is never started over"
    else:
        assert decision == Decision(Move.REFUSE)
    if decision.move is not Move.REFUSE:
        running = {n for n, s in slots.items() if s.state is State.RUNNING}
        assert set(decision.drain) == running - {decision.slot}, "what runs and does not serve is told to drain"
        alone = {n for n, s in slots.items() if s.state is State.ALONE}
        assert set(decision.discard) == alone - {decision.slot}, "what a dead deploy was proving is ended"


@pytest.mark.parametrize(
    ("active", "slots", "expected"),
    [
        pytest.param("", "---", Decision(Move.START, "a"), id="first deploy"),
        pytest.param("a", "w--", Decision(Move.KEEP, "a"), id="nothing to do"),
        pytest.param("a", "o--", Decision(Move.START, "b", ("a",)), id="change"),
        pytest.param("b", "-o-", Decision(Move.START, "c", ("b",)), id="change, next slot"),
        pytest.param("c", "--o", Decision(Move.START, "a", ("c",)), id="change, round the corner"),
        pytest.param("a", "ow-", Decision(Move.RESUME, "b", ("a",)), id="killed between start and flip"),
        pytest.param("b", "ow-", Decision(Move.KEEP, "b", ("a",)), id="killed between flip and drain"),
        pytest.param("b", "do-", Decision(Move.START, "c", ("b",)), id="second change while the first drains"),
        pytest.param("c", "ddo", Decision(Move.REFUSE), id="third change, no slot empty"),
        pytest.param("a", "---", Decision(Move.START, "a"), id="the active slot died"),
        pytest.param("a", "d--", Decision(Move.START, "b"), id="somebody stopped the active slot"),
        pytest.param("a", "-w-", Decision(Move.RESUME, "b"), id="the active died, a candidate is there"),
        pytest.param("a", "Dw-", Decision(Move.RESUME, "b"), id="a drain of the wanted one is not turned back"),
        pytest.param("a", "oo-", Decision(Move.START, "c", ("a", "b")), id="left-over candidate of a dead deploy"),
        pytest.param("a", "oP-", Decision(Move.START, "b", ("a",)), id="killed while the candidate was alone"),
        pytest.param("a", "op-", Decision(Move.START, "b", ("a",)), id="the same, then reverted"),
        pytest.param("a", "wp-", Decision(Move.KEEP, "a", (), ("b",)), id="the same, then reverted to what serves"),
        pytest.param("a", "ddp", Decision(Move.START, "c"), id="a slot that is only proved is no occupant"),
    ],
)
def test_cases_by_name(active: str, slots: str, expected: Decision) -> None:
    kinds = {
        "-": STATES[0],
        "w": STATES[1],
        "o": STATES[2],
        "D": STATES[3],
        "d": STATES[4],
        "P": STATES[5],
        "p": STATES[6],
    }
    assert decide(active, {n: kinds[k] for n, k in zip("abc", slots, strict=True)}, WANTED) == expected


def test_a_host_that_retires_drains_what_runs_and_ends_what_is_proved() -> None:
    slots = {"a": STATES[1], "b": STATES[5], "c": STATES[4]}
    assert retire(slots) == Decision(Move.KEEP, "", ("a",), ("b",))


@pytest.mark.parametrize(
    ("active_state", "expected"),
    [
        ("active", State.RUNNING),
        ("activating", State.RUNNING),
        ("reloading", State.RUNNING),
        ("deactivating", State.DRAINING),
        ("inactive", State.EMPTY),
        ("failed", State.EMPTY),
        ("", State.EMPTY),
    ],
)
def test_states_are_systemds(active_state: str, expected: State) -> None:
    assert Slot.observed(active_state, WANTED).state is expected


@pytest.mark.parametrize("active_state", ["active", "activating", "deactivating"])
def test_a_process_that_no_session_can_reach_says_so_in_its_stamp(active_state: str) -> None:
    assert Slot.observed(active_state, WANTED + ALONE) == Slot(State.ALONE, WANTED)
