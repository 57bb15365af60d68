"""Argument lists as the kernel's audit tells them, and what is looked for in them."""

from __future__ import annotations

import pytest

from tests.support.values import arguments


def test_argument_lists_are_read_back_whole() -> None:
    """A word with blanks is told in hexadecimal, a long one in pieces."""
    log = (
        'type=EXECVE msg=audit(1.2:3): argc=3 a0="curl" a1=612062 a2_len=12 a2[0]="half of "\n'
        'type=EXECVE msg=audit(1.2:3): a2[1]="it"\n'
        "type=SYSCALL msg=audit(1.2:3): arch=c000003e a0=7ffe a1=0\n"
    )
    assert list(arguments.parse(log)) == [("curl", "a b", "half of it")]


@pytest.mark.parametrize("shown", ["--user=x:{}", "Authorization: Basic {base64}", "http://h/?p={url}"])
def test_a_secret_that_is_shown_is_found(shown: str) -> None:
    secret = "Outbound/secret+of=ours-4711"
    lists = [
        ("true",),
        (
            "curl",
            shown.format(
                secret, base64="T3V0Ym91bmQvc2VjcmV0K29mPW91cnMtNDcxMQ==", url="Outbound%2Fsecret%2Bof%3Dours-4711"
            ),
        ),
    ]
    assert arguments.showing(lists, [secret]) == [lists[1]]
