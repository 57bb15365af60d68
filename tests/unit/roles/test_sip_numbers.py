"""Numbers as people write them: what each means to Kamailio and to LiveKit, and what is refused."""

from __future__ import annotations

import random
import re

import pytest

from livekit_metal.roles.sip.numbers import is_number, normal, parse, tag


@pytest.mark.parametrize(
    ("text", "means", "means_not"),
    [
        ("+4930123456", ["+4930123456"], ["4930123456", "+49301234567"]),
        ("3040", ["3040"], ["30401", "+3040"]),
        ("sales-team", ["sales-team"], ["sales"]),
        ("office.main", ["office.main"], ["officexmain"]),
        ("+4930123*", ["+4930123", "+4930123999"], ["+4930124", "4930123"]),
        ("*", ["+1", "sales", "3040"], []),
        ("+4930123400-99", ["+4930123400", "+4930123499"], ["+4930123500", "+4930123399", "+493012345"]),
        ("+4930100-+4930101", ["+4930100", "+4930101"], ["+4930102"]),
        ("098-102", ["098", "100", "102"], ["97", "103", "0100"]),
    ],
)
def test_what_a_number_means(text: str, means: list[str], means_not: list[str]) -> None:
    pattern = parse(text)
    for number in (*means, *means_not):
        assert pattern.matches(number) == (number in means), number
        assert bool(re.fullmatch(pattern.regex(), number)) == (number in means), number


@pytest.mark.parametrize(
    "text",
    [
        "", "+", "+*", "++49", "+49 30 1", "+49-30-123456", "030/123", "(030)123", "4930.", "49+30", "+abc", "-1",
        "+0301234", "+1234567890123456", "030-123456", "+4930123400-+4930123399", "200-100", "1-+2", "1*2", "**",
    ],
)  # fmt: skip
def test_what_cannot_be_a_number_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match=r".+; .*write .+|.+; after \+"):
        parse(text)
    assert not is_number(text)


def test_a_range_that_is_too_long_for_livekit_names_the_prefix_that_would_do() -> None:
    with pytest.raises(ValueError, match=re.escape("has 10000 numbers; write a prefix (+4930*)")):
        parse("+49300000-9999")


def test_a_range_and_its_expression_are_the_same_numbers() -> None:
    for seed in range(300):
        choose = random.Random(seed)
        digits = choose.randint(1, 4)
        first = choose.randrange(10**digits)
        last = min(first + choose.randrange(1000), 10**digits - 1)
        pattern = parse(f"+49{first:0{digits}}-+49{last:0{digits}}")
        wanted = {f"+49{number:0{digits}}" for number in range(first, last + 1)}
        everyone = [f"+49{number:0{digits}}" for number in range(10**digits)]
        assert set(pattern.numbers()) == wanted
        assert {number for number in everyone if re.fullmatch(pattern.regex(), number)} == wanted, pattern


def test_what_kamailio_reads_is_as_short_as_it_can_be() -> None:
    assert tag([]) == "-"
    assert tag([parse("+1"), parse("+2"), parse("+1")]) == "+1,+2"
    assert tag([parse("+1"), parse("*")]) == "*"
    assert tag([parse("+1"), parse("+2*"), parse("+300-09")]) == "~^([+]1|[+]2[^,]*|[+]30[0-9])$"


def test_numbers_that_livekit_takes_for_one_are_one() -> None:
    assert normal("49") == normal("+49") == "+49"
    assert normal("sales") == "sales"
    assert parse("49").meets(parse("+49"))
    assert parse("+4930*").meets(parse("+493012"))
    assert not parse("+4930*").meets(parse("+493112"))
