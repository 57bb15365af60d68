"""Who may tell the watcher anything: livekit-server, by any key of the site. All accounts of a host get to its port."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import Any

import pytest

from lab.run import wait_until
from tests.render.redispatch.conftest import KEY, KEYS, SECRET, Place
from tests.support import webhooks


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_site_signs(watch: Place, key: str) -> None:
    """Also while one takes the place of another."""
    watch.tell(webhooks.event("participant_connection_aborted", disconnectReason="SIGNAL_CLOSE"), key)
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log


def _signed(body: bytes) -> str:
    return webhooks.token(body, KEY, SECRET)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "x.y.z",
        "...",
        "é.é.é",
        lambda body: webhooks.token(body, KEY, "x" * 32),
        lambda body: webhooks.token(body, "APIother", SECRET),
        lambda body: webhooks.token(body + b" ", KEY, SECRET),
        lambda body: webhooks.token(body, KEY, SECRET, valid=-120),
        lambda body: _signed(body).rpartition(".")[0] + ".",
        lambda body: "eyJhbGciOiJub25lIn0." + _signed(body).split(".")[1] + ".",
        lambda body: "eyJhbGciOiJub25lIn0." + ".".join(_signed(body).split(".")[1:]),
        lambda body: _signed(body)[:-4] + "AAAA",
    ],
)
def test_what_livekit_server_did_not_sign_does_nothing(watch: Place, authorization: Any) -> None:
    """Every account of the host gets to the port."""
    body = json.dumps(webhooks.event()).encode()
    said = authorization(body) if callable(authorization) else authorization
    assert webhooks.send(watch.url, body, said.encode().decode("latin-1") if said else said) == 401
    assert watch.counted("livekit_redispatch_refused_total", "") == 1
    assert (watch.livekit.wanted, watch.livekit.asked) == ([], 0)
    watch.tell(webhooks.event())
    assert wait_until(lambda: watch.again, 15, every=0.05), "and it goes on"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b"{}", b'{"event":"participant_left","participant":7,"room":[]}']
)
def test_a_signed_oddity_does_no_harm(watch: Place, body: bytes) -> None:
    webhooks.send(watch.url, body, _signed(body))
    watch.tell(webhooks.event())
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log


def test_who_keeps_connections_open_keeps_nobody_out_for_good(watch: Place) -> None:
    """Also who sends a byte from time to time."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(("127.0.0.1", watch.port))) for _ in range(40)]
        for each in held:
            each.sendall(b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n")

        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.3):
                for each in held:
                    with contextlib.suppress(OSError):
                        each.send(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert wait_until(watch.metrics, 30, every=0.5)
        finally:
            over.set()
            dripping.join()


def test_a_body_that_is_too_large_is_not_read(watch: Place) -> None:
    with socket.create_connection(("127.0.0.1", watch.port)) as made:
        made.sendall(b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n")
        assert b" 413 " in made.recv(100)
