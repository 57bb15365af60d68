"""The decision about slots, for every combination of what can be observed, against what it must keep true.

The oracle knows promises only: who may be disturbed, who must serve in the end. It is not the code's own way to decide.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import pytest

from livekit_metal.core.slots.decision import ISOLATED_SUFFIX, Decision, Move, Slot, State, decide, retire

WANTED, OTHER, UNREADABLE = "wanted", "other", ""
OWN = ("a", "b", "c")  # the site's slots; "x" is one of an earlier site, "never" one that nobody knows
EMPTY = Slot(State.EMPTY)
OCCUPIED = tuple(
    Slot(state, generation)
    for state in (State.RUNNING, State.DRAINING, State.ISOLATED)
    for generation in (WANTED, OTHER, UNREADABLE)
)
SERVES = Slot(State.RUNNING, WANTED)
FREE = (State.EMPTY, State.ISOLATED)
ACTIVE = ("", *OWN, "x", "never")

Slots = Mapping[str, Slot]


def every(own: tuple[str, ...], earlier: tuple[Slot, ...] = OCCUPIED) -> Iterator[dict[str, Slot]]:
    """All that can be observed: each of the site's slots in each state, and a slot of an earlier site, or none."""
    for states in itertools.product((EMPTY, *OCCUPIED), repeat=len(own)):
        for other in (None, *earlier):  # without a process nobody knows of it
            yield dict(zip(own, states, strict=True)) | ({"x": other} if other else {})


EVERY = list(every(OWN))  # 10 000


def named(slots: Slots, *states: State) -> set[str]:
    return {name for name, slot in slots.items() if slot.state in states}


def move(active: str, slots: Slots, own: tuple[str, ...] = OWN) -> Move:
    """What the promises leave: nothing needless, nothing in a slot that holds somebody."""
    if active in own and slots[active] == SERVES:
        return Move.KEEP
    if SERVES in [slots[name] for name in own]:
        return Move.RESUME
    return Move.START if named(slots, *FREE) & set(own) else Move.REFUSE


@pytest.mark.parametrize("active", ACTIVE)
def test_every_combination_keeps_the_promises(active: str) -> None:
    for slots in EVERY:
        decision = decide(active, slots, WANTED, OWN)
        case = f"{active!r}, {slots}: {decision}"
        assert decision.move is move(active, slots), case
        if decision.move is Move.REFUSE:
            assert decision == Decision(Move.REFUSE), f"nothing is touched: {case}"
            continue
        assert decision.slot in OWN, f"its ports are known: {case}"
        if decision.move is Move.START:
            assert slots[decision.slot].state in FREE, f"nobody is on it: {case}"
        else:
            assert slots[decision.slot] == SERVES, case
        others = {name: slot for name, slot in slots.items() if name != decision.slot}
        assert set(decision.drain) == named(others, State.RUNNING), f"one serves, the others drain: {case}"
        assert set(decision.discard) == named(others, State.ISOLATED), f"what a dead deploy was proving ends: {case}"


@pytest.mark.parametrize("active", ACTIVE)
def test_a_start_takes_a_proof_that_was_cut_short_or_the_next_slot_in_turn(active: str) -> None:
    """No promise, but an order that operators get used to."""
    for slots in EVERY:
        decision = decide(active, slots, WANTED, OWN)
        if decision.move is Move.START:
            state = State.ISOLATED if named(slots, State.ISOLATED) & set(OWN) else State.EMPTY
            assert slots[decision.slot].state is state
            begin = OWN.index(active) if active in OWN else 0
            passed = [OWN[(begin + step) % 3] for step in range((OWN.index(decision.slot) - begin) % 3)]
            assert all(slots[name].state is not state for name in passed), f"{active!r}, {slots}: {decision}"


def stages(active: str, slots: Slots, decision: Decision) -> Iterator[tuple[str, dict[str, Slot]]]:
    """What can be observed after each step of the machine, as (active, slots); the last one is its end."""
    now = dict(slots)
    for name in decision.discard:
        now[name] = EMPTY
        yield active, dict(now)
    if decision.move is Move.START:
        for state in (EMPTY, Slot(State.ISOLATED, WANTED), EMPTY, SERVES):  # clean, alone, the proof's end, joined
            now[decision.slot] = state
            yield active, dict(now)
    active = decision.slot
    yield active, dict(now)
    for name in decision.drain:
        now[name] = Slot(State.DRAINING, now[name].generation)
        yield active, dict(now)


@pytest.mark.parametrize("active", ACTIVE)
def test_a_deploy_that_dies_after_any_step_is_finished_by_the_next(active: str) -> None:
    for slots in every(OWN, (Slot(State.RUNNING, OTHER), Slot(State.ISOLATED, OTHER))):
        decision = decide(active, slots, WANTED, OWN)
        if decision.move is Move.REFUSE:
            continue
        for left in stages(active, slots, decision):
            again = decide(*left, WANTED, OWN)
            assert again.move is not Move.REFUSE, f"what was left: {left}"
            *_, (serves, end) = stages(*left, again)
            assert end[serves] == SERVES, f"what was left: {left}"
            assert named(end, State.ISOLATED) == set(), f"what was left: {left}"
            assert named(end, State.RUNNING) == {serves}, f"what was left: {left}"
            assert named(end, State.DRAINING) >= named(slots, State.DRAINING), f"what was left: {left}"
            assert decide(serves, end, WANTED, OWN) == Decision(Move.KEEP, serves), "nothing is left to do"


STALE = tuple(frozenset(some) for n in range(4) for some in itertools.combinations(OWN, n))


@pytest.mark.parametrize("refresh", [False, True])
@pytest.mark.parametrize("active", ACTIVE)
def test_old_code_serves_on_until_a_refresh_is_asked_for(active: str, *, refresh: bool) -> None:
    """Then nothing that runs old code is left to serve; without it one more deploy never goes back to old code."""
    for slots in every(OWN, (Slot(State.RUNNING, OTHER),)):
        for stale in STALE:
            decision = decide(active, slots, WANTED, OWN, stale, refresh=refresh)
            good = {name for name in OWN if slots[name] == SERVES}
            case = f"{active!r}, {slots}, {sorted(stale)}: {decision}"
            if good - stale or (good and not refresh):
                best = good - stale or good
                assert decision.move is (Move.KEEP if active in best else Move.RESUME), case
                assert decision.slot in best, case
            else:
                free = named(slots, *FREE) & set(OWN)
                assert decision.move is (Move.START if free else Move.REFUSE), case
                assert decision.slot in (free or {""}), case
            if decision.move is not Move.REFUSE:
                others = {name: slot for name, slot in slots.items() if name != decision.slot}
                assert set(decision.drain) == named(others, State.RUNNING), case


def test_a_refresh_that_dies_after_any_step_is_finished_by_the_next_one_or_by_a_plain_deploy() -> None:
    slots = {"a": SERVES, "b": Slot(State.DRAINING, OTHER), "c": EMPTY}
    first = decide("a", slots, WANTED, OWN, {"a"}, refresh=True)
    assert first == Decision(Move.START, "c", drain=("a",))
    for active, left in stages("a", slots, first):
        again = decide(active, left, WANTED, OWN, {"a"}, refresh=True)
        assert again.slot == "c", f"what was left: {active} {left}"
        *_, (serves, end) = stages(active, left, again)
        assert (serves, end["c"], end["a"].state) == ("c", SERVES, State.DRAINING)
        assert decide(serves, end, WANTED, OWN, {"a"}, refresh=True) == Decision(Move.KEEP, "c")
        plain = decide(active, left, WANTED, OWN, {"a"})
        joined = left["c"] == SERVES
        assert plain.slot == ("c" if joined else "a"), "what already runs the new code is taken, nothing is begun"


@pytest.mark.parametrize("own", [("a", "b"), ("b", "c", "a")])
def test_the_number_and_the_order_of_slots_are_the_sites(own: tuple[str, ...]) -> None:
    for active in ("", *own, "x"):
        for slots in every(own, (Slot(State.ISOLATED, OTHER),)):
            decision = decide(active, slots, WANTED, own)
            assert decision.move is move(active, slots, own), f"{active!r}, {slots}: {decision}"
            assert decision.move is Move.REFUSE or decision.slot in own


@pytest.mark.parametrize("active", ACTIVE)
def test_a_generation_is_a_name_and_nothing_more(active: str) -> None:
    """Which other generation a slot has makes no difference, nor whether it can be read at all."""
    for slots in EVERY:
        renamed = {n: Slot(s.state, s.generation if s.generation == WANTED else "z") for n, s in slots.items()}
        assert decide(active, slots, WANTED, OWN) == decide(active, renamed, WANTED, OWN)


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
        pytest.param("x", "---o", Decision(Move.START, "a", ("x",)), id="the site has given up the active slot"),
        pytest.param("a", "w--p", Decision(Move.KEEP, "a", (), ("x",)), id="a proof in a slot given up since"),
        pytest.param("a", "o--p", Decision(Move.START, "b", ("a",), ("x",)), id="it is no place to start in"),
    ],
)
def test_cases_by_name(active: str, slots: str, expected: Decision) -> None:
    kinds = {"-": EMPTY, "w": SERVES, "o": Slot(State.RUNNING, OTHER)}
    kinds |= {"D": Slot(State.DRAINING, WANTED), "d": Slot(State.DRAINING, OTHER)}
    kinds |= {"P": Slot(State.ISOLATED, WANTED), "p": Slot(State.ISOLATED, OTHER)}
    assert decide(active, {n: kinds[k] for n, k in zip("abcx", slots, strict=False)}, WANTED, OWN) == expected


def test_a_host_that_retires_drains_what_runs_and_ends_what_is_proved() -> None:
    for slots in EVERY:
        expected = (tuple(n for n in slots if slots[n].state is state) for state in (State.RUNNING, State.ISOLATED))
        assert retire(slots) == Decision(Move.KEEP, "", *expected)


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
    assert Slot.observed(active_state, WANTED + ISOLATED_SUFFIX) == Slot(State.ISOLATED, WANTED)
