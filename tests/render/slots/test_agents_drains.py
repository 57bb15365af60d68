"""A worker of a fleet in Python, and what makes it drain; its framework is a stand-in."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.run import wait_until
from tests.render.slots.test_agents import LAUNCHER
from tests.support.calls.control import free_port

# Its server has a job until there is a file `end`.
STANDIN = """
import asyncio, pathlib
class Job: job = type("Job", (), {"room": type("Room", (), {"name": "r"})})
class AgentServer:
    id, draining, _connecting = "AW_1", False, False
    _load_fnc = staticmethod(lambda: 1.0)
    def __init__(self): self.active_jobs = [Job]; self._on = {}
    def rtc_session(self, f): return f
    def update_options(self, **said): pass
    def on(self, event, does): self._on[event] = does
    async def run(self):
        self._on["worker_started"]()
        pathlib.Path("load").write_text(str(self._load_fnc()))
        self._on["worker_registered"]()
        while True: await asyncio.sleep(3600)
    async def drain(self, timeout):
        self.draining = True
        await asyncio.wait_for(self._ended(), timeout)
    async def _ended(self):
        while not pathlib.Path("end").exists(): await asyncio.sleep(0.02)
        self.active_jobs = []
    async def aclose(self): pass
class WorkerOptions: pass
"""
CODE = "from livekit.agents import *\nserver = AgentServer()\n"
DEAF = """
import signal
started = server.on
def on(event, does):
    started(event, lambda: (does(), signal.signal(signal.SIGTERM, signal.SIG_IGN)) if "started" in event else does())
server.on = on
"""


class Place:
    """A release in a directory, and its launcher."""

    def __init__(self, root: Path) -> None:
        self.root, self.code, self.drains = root, root / "code", root / "drains"
        self._port = free_port("127.0.0.1")
        (root / "site/livekit/agents").mkdir(parents=True)
        (root / "site/livekit/agents/__init__.py").write_text(STANDIN)
        self.code.mkdir()

    def worker(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/worker", timeout=5) as answer:
                said: dict[str, Any] = json.load(answer)
                return said
        except (urllib.error.URLError, OSError):
            return {}

    @contextmanager
    def running(self, code: str, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
        """A worker that is registered and has a job."""
        config = {
            "ws_url": "ws://127.0.0.1:9", "api_key": "k", "api_secret": "s", "agent_name": "echo", "deployment": "",
            "entrypoint": "agent.py", "interpreter": ".".join(map(str, sys.version_info[:2])), "port": self._port,
            "drain_timeout": 60, "num_idle_processes": 1, "load_threshold": 0.7, "log_level": "info", "environment": {},
        } | more  # fmt: skip
        (self.code / "agent.py").write_text(code)
        (self.root / "a.yaml").write_text(json.dumps(config))
        environment = {"PYTHONPATH": f"{self.code}:{self.root}/site", "LKM_DRAINS": str(self.drains)}
        command = [sys.executable, "-S", "-B", str(LAUNCHER), str(self.root / "a.yaml")]
        worker = subprocess.Popen(command, cwd=self.code, env=environment, stdout=subprocess.DEVNULL)
        try:
            assert wait_until(lambda: self.worker().get("registered"), 60), "it is not registered"
            yield worker
        finally:
            worker.kill()
            worker.wait()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("code", [CODE, CODE + DEAF], ids=["hears", "deaf"])
def test_a_worker_sees_that_it_drains_and_ends_with_its_last_job(place: Place, code: str) -> None:
    with place.running(code) as worker:
        place.drains.touch()
        worker.send_signal(signal.SIGTERM)
        assert wait_until(lambda: place.worker().get("draining"), 20), "it takes jobs"
        worker.send_signal(signal.SIGTERM)
        assert place.worker()["active_jobs"] == 1
        (place.code / "end").touch()
        assert worker.wait(60) == 0


def test_a_worker_that_ends_before_it_is_told_to_waits_for_that(place: Place) -> None:
    """systemd starts again whatever ends before its stop."""
    with place.running(CODE) as worker:
        (place.code / "end").touch()
        place.drains.touch()
        assert wait_until(lambda: place.worker().get("active_jobs") == 0, 20)
        assert worker.poll() is None
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0


@pytest.mark.parametrize(
    ("more", "load"),
    [({}, "1.0"), ({"load_threshold": 1.0}, "0.99"), ({"deployment": "proof"}, "0.99")],
    ids=["a bound", "none", "a proof"],
)
def test_a_worker_that_takes_jobs_at_any_load_tells_none_of_1(place: Place, more: dict[str, Any], load: str) -> None:
    with place.running(CODE, **more):
        assert (place.code / "load").read_text() == load
