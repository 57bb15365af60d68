"""The parts of `make bench` that need no lab."""

from __future__ import annotations

import os
import socket
import threading

from bench.__main__ import _lasting, _medians
from bench.against.delay import delayed
from bench.against.wanted import as_data
from bench.change import AFTER, BEFORE, steps
from livekit_metal.runtime.host.state import HostState


def _send(line: socket.socket, said: bytes) -> None:
    line.sendall(said)
    line.shutdown(socket.SHUT_WR)


def test_a_long_line_brings_everything_in_order_and_ends_with_its_other_end() -> None:
    said = os.urandom(1_000_000)

    def echo(listener: socket.socket) -> None:
        there, _ = listener.accept()
        with there:
            while data := there.recv(65536):
                there.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=echo, args=(listener,), daemon=True).start()
        with (
            delayed("127.0.0.1", listener.getsockname()[1], 0.01) as port,
            socket.create_connection(("127.0.0.1", port), timeout=30) as line,
        ):
            sending = threading.Thread(target=_send, args=(line, said))
            sending.start()
            heard = b""
            while data := line.recv(65536):
                heard += data
            sending.join()
    assert heard == said


def test_a_phase_that_comes_twice_is_one() -> None:
    marks = [("connect", 1.0, 0.5), ("plan", 1.5, 0.75), ("connect", 2.0, 0.75)]
    assert _lasting(marks) == {"connect": (1.5, 0.5), "plan": (0.5, 0.25)}
    assert _medians([marks, marks, [("connect", 9.0, 9.0), ("plan", 9.0, 9.0)]]) == _lasting(marks)


def test_the_seconds_of_a_change_are_told_by_step() -> None:
    said = """\
    [lk1] Connected
--> Starting serial operation: livekit-metal | Services
    [lk1] livekit: slot b: check 18be8d8854009787
    [lk1] livekit: slot b: ready
    [lk1] Success
--> Results:"""
    found = steps(iter(said.splitlines()), iter([0.0, 1.0, 2.0, 2.5, 4.0, 7.0, 7.5]))
    assert found == {BEFORE: 2.5, "livekit: check the generation": 1.5, "livekit: ready": 3.0, AFTER: 0.5}


def test_a_unit_that_may_not_start_is_neither_a_file_nor_a_directory() -> None:
    masked, root = "/etc/systemd/system/redis-server.service", ("root", "root")
    seen = HostState(
        files={"/etc/alt/site.conf": "0" * 64},
        stat={masked: ("777", *root), "/etc/alt": ("755", *root), "/etc/alt/site.conf": ("644", *root)},
    )
    found = as_data(seen)
    assert found["masked"] == ["redis-server.service"]
    assert [each["path"] for each in found["directories"]] == ["/etc/alt"]
    assert found["files"] == [{"path": "/etc/alt/site.conf", "mode": "0644", "user": "root", "group": "root"}]
