"""A real Redis for tests without a host: it runs with the files that the redis role would write."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from livekit_metal.core.ports import PortRange
from livekit_metal.roles.redis.settings import Settings
from livekit_metal.roles.redis.tasks import _service


@contextlib.contextmanager
def started(redis: Settings, directory: Path) -> Iterator[Settings]:
    """Run ``redis`` with its data and files below ``directory``, on loopback; yields its settings as they are there."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not here: apt install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    here = dataclasses.replace(
        redis,
        port=PortRange(port, port),
        address=f"127.0.0.1:{port}",
        bind=("127.0.0.1",),
        config_root=str(directory),
        state_root=str(directory / "state"),
    )
    write(here)
    Path(here.data).mkdir(parents=True, exist_ok=True)
    with (directory / "log").open("w") as log:
        daemon = subprocess.Popen([server, here.config, "--supervised", "no"], stdout=log, stderr=log)
    try:
        end = time.monotonic() + 10
        while not ask(here, "", "", "ping").startswith("NOAUTH"):
            assert daemon.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < end, "Redis does not answer"
            time.sleep(0.02)
        yield here
    finally:
        daemon.terminate()
        daemon.wait(timeout=10)


def write(here: Settings) -> None:
    """Put the files that a running Redis reads in place."""
    for file in _service(here).all_files:
        if file.path.startswith(here.config_root):
            Path(file.path).parent.mkdir(parents=True, exist_ok=True)
            Path(file.path).write_text(file.text)


def ask(here: Settings, user: str, password: str, *command: str) -> str:
    """What redis-cli prints, as ``user`` or (empty) as nobody."""
    login = ["--user", user] if user else []
    words = ["redis-cli", "-h", here.host, "-p", str(here.port), *login, *command]
    environment = os.environ | ({"REDISCLI_AUTH": password} if user else {})
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=10)
    return done.stdout.strip()


def transaction(here: Settings, user: str, password: str, *commands: str) -> str:
    """What redis-cli prints of ``commands`` in one MULTI and EXEC."""
    words = ["redis-cli", "-h", here.host, "-p", str(here.port), "--user", user]
    lines = "\n".join(("multi", *commands, "exec"))
    environment = os.environ | {"REDISCLI_AUTH": password}
    done = subprocess.run(words, input=lines, env=environment, capture_output=True, text=True, check=False, timeout=10)
    return done.stdout.strip()
