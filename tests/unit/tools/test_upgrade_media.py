"""What the calls of tests/upgrade count: pictures that are new, messages that arrived."""

from __future__ import annotations

import numpy as np
import pytest

from tests.upgrade.messages import Ledger, Messages
from tests.upgrade.pictures import HEIGHT, NUMBERS, WIDTH, Eye, Luma, drawn, read


def luma(number: int, height: int = HEIGHT, width: int = WIDTH) -> Luma:
    """The picture as a receiver has it, scaled to another size."""
    whole = np.frombuffer(drawn(number), dtype=np.uint8, count=WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    return whole[np.ix_(np.arange(height) * HEIGHT // height, np.arange(width) * WIDTH // width)]


def test_a_picture_is_one_of_i420() -> None:
    assert len(drawn(0)) == WIDTH * HEIGHT * 3 // 2


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (45, 80), (68, 120)])
def test_each_number_is_read_again_whatever_the_size(size: tuple[int, int]) -> None:
    numbers = [*range(0, NUMBERS, 7), NUMBERS - 1]
    assert [read(luma(number, *size)) for number in numbers] == numbers


def test_a_bad_picture_is_read_and_another_is_not() -> None:
    noise = np.random.default_rng(1).integers(-60, 60, (HEIGHT, WIDTH))
    assert read(np.asarray(np.clip(luma(1234) + noise, 0, 255), dtype=np.uint8)) == 1234
    assert read(np.full((HEIGHT, WIDTH), 128, dtype=np.uint8)) is None


def seen(*numbers: int) -> list[float]:
    """When something new was seen, of pictures that came one a second."""
    eye = Eye()
    for at, number in enumerate(numbers):
        eye.see(luma(number), at)
    return eye.new


def test_a_picture_that_is_shown_again_is_not_new() -> None:
    assert seen(5, 6, 6, 6, 7) == [0, 1, 4]


def test_an_older_picture_is_not_new() -> None:
    assert seen(5, 6, 5, 6, 7) == [0, 1, 4]


def test_numbers_begin_again_and_may_be_left_out() -> None:
    assert seen(NUMBERS - 2, NUMBERS - 1, 0, 3) == [0, 1, 2, 3]


def carried(lost: tuple[int, ...] = (), twice: tuple[int, ...] = (), sent: int = 10) -> Ledger:
    """Messages that were due one a second and took 0.25 s."""
    ledger = Ledger()
    for number in range(1, sent + 1):
        message = ledger.next(due=number)
        for _ in range(0 if number in lost else 2 if number in twice else 1):
            ledger.take(message, at=number + 0.25)
    return ledger


def test_all_messages_arrived() -> None:
    ledger = carried()
    assert ledger.complete
    assert ledger.told() == Messages(sent=10, lost=0, twice=0, slowest_ms=250)


def test_messages_before_the_first_that_arrives_do_not_count() -> None:
    assert carried(lost=(1, 2)).told() == Messages(sent=8, lost=0, twice=0, slowest_ms=250)


@pytest.mark.parametrize("lost", [(5,), (10,), (4, 9)])
def test_a_message_that_is_missing_counts_the_last_one_too(lost: tuple[int, ...]) -> None:
    ledger = carried(lost=lost)
    assert not ledger.complete
    assert ledger.told().lost == len(lost)


def test_a_message_that_comes_twice_makes_up_for_none() -> None:
    assert carried(lost=(4,), twice=(5,)).told() == Messages(sent=10, lost=1, twice=1, slowest_ms=250)


def test_nothing_arrived() -> None:
    ledger = carried(lost=tuple(range(1, 11)))
    assert not ledger.complete
    with pytest.raises(ValueError, match="no message arrived"):
        ledger.told()


def test_a_message_of_others_is_not_counted() -> None:
    ledger = carried()
    with pytest.raises(ValueError, match="unpack"):
        ledger.take(b"hello", 1.0)
    assert ledger.told().sent == 10
