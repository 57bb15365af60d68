"""No secret is left in what is collected, however it is written there; and what is no secret stays."""

from __future__ import annotations

import base64
import json
import secrets
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from livekit_metal.collect.redact import MASK, Redactor

PLAIN = "k3FqU9xZr7TnB2wLmP5vYc8dHs1JgAe6oRiKtXz4QbE"
ODD = 'pass\'word "with" a/b+c=d&e<f>\\é%'
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": lambda value: value,
    "JSON": json.dumps,
    "JSON, not ASCII": lambda value: json.dumps(value, ensure_ascii=False),
    "a URL": lambda value: f"https://x.example/?q={quote(value, safe='')}",
    "a path of a URL": quote,
    "a form": quote_plus,
    "lower case hex in a URL": lambda value: quote(value, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
    "a word of a shell": shlex.quote,
    "Base64": lambda value: base64.b64encode(value.encode()).decode(),
    "Base64 of URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode().rstrip("="),
    "after a user": lambda value: base64.b64encode(f"u:{value}".encode()).decode(),
    "after a longer user": lambda value: base64.b64encode(f"us:{value}@".encode()).decode(),
    "hex": lambda value: value.encode().hex(),
    "Python": repr,
}


@pytest.mark.parametrize("value", [PLAIN, ODD], ids=["plain", "odd"])
@pytest.mark.parametrize("way", WAYS)
def test_a_value_goes_in_whatever_form(way: str, value: str) -> None:
    written = WAYS[way](value)
    found = Redactor([value])(f"before {written} after")
    assert found.startswith("before ")
    assert found.endswith(" after")
    assert MASK in found
    core = written.strip("'\"=")[4:-6]  # at the ends of Base64 a neighbour has a part of a character
    assert core not in found


def test_what_is_left_is_seen() -> None:
    redact = Redactor([PLAIN])
    assert redact.left(f"x{base64.b64encode(PLAIN.encode()).decode()}x")
    assert not redact.left(redact(PLAIN))


def test_a_value_within_another_leaves_nothing_of_either() -> None:
    assert Redactor(["abcd1234", "abcd1234efgh5678"])("abcd1234efgh5678") == MASK


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("GET /rtc?access_token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl HTTP/1.1", "eyJzdWIiOiJhbm5hIn0"),
        ("Authorization: Digest username=anna, response=c0ffee", "c0ffee"),
        ('{"authorization":"Bearer abcdefgh12345"}', "abcdefgh12345"),
        ("redis://user:hunter2@10.0.0.1:6379", "hunter2"),
        ("secret_key = 'hunter2'", "hunter2"),
        ('"auth_password":"hun\\"ter2"', "ter2"),
        ("S3_SECRET: hunter2", "hunter2"),
        ('{\\"token\\":\\"hunter2\\"}', "hunter2"),
        ("pushing to rtmp://live.example/app/hunter2-key", "hunter2"),
        ("srt://x:1?streamid=publish:hunter2", "hunter2"),
        ("PUT https://s3.example/a.mp4?X-Amz-Signature=hunter2&x=1", "hunter2"),
        ("-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----", "hunter2"),
        ("password: a,hunter2", "hunter2"),
        ("ice-pwd:hunter2", "hunter2"),
        ("requirepass=hunter2", "hunter2"),
        ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:hunter2+/=|2^20", "hunter2"),
        ("https://hooks.slack.com/services/T0/B0/hunter2", "hunter2"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2 and the file ends", "hunter2"),
    ],
)
def test_what_has_the_shape_of_a_secret_goes_too(text: str, hidden: str) -> None:
    found = Redactor([])(text)
    assert hidden not in found
    assert MASK in found


@pytest.mark.parametrize(
    "text",
    [
        "lk1 livekit-server[12]: starting LiveKit server 1.13.5 node ND_abc",
        "10.0.0.1:4711 http livekit_a/local 0/0/0/12/13 200 512 -- 1/1/0/0/0 GET /rtc",
        "https://docs.example/a?b=c",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor([secrets.token_hex(16)])(text) == text
