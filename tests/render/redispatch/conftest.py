"""The watcher, run as on a host: signed webhooks come in, LiveKit's API (a small one) is asked."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.run import wait_until
from livekit_metal.roles.redispatch.settings import Settings
from livekit_metal.site.model import Site
from tests.support import webhooks
from tests.support.calls.control import free_port
from tests.support.twirp import Twirp, twirp
from tests.support.values.agents import talking

KEY, SECRET = "APIours", "s" * 32
KEYS = {KEY: SECRET, "APIapps": "a" * 32}
CALLER = {"identity": "caller", "kind": "STANDARD"}
LOST = {"identity": "agent-AJ_1", "kind": "AGENT", "attributes": {"lk.agent.name": "echo"}}
OTHER = LOST | {"identity": "agent-AJ_2"}
ANEW = ("AgentDispatchService/CreateDispatch", {"room": "r", "agent_name": "echo", "metadata": "m"})
QUICK = {"GRACE": 0.1, "TAKEN": 0.6, "EVERY": 0.05, "PATIENCE": 5.0, "WITHIN": 2.0}


@pytest.fixture
def own(make_site: Callable[[dict[str, Any]], Site]) -> Settings:
    data = talking()
    data["agents"]["redispatch"] = True
    found = make_site(data).for_host("lk1").of(Settings)
    assert found is not None
    assert found.wanted
    return found


@dataclass
class Place:
    """The program in a directory, as tasks put it on a host; its waits are short."""

    directory: Path
    livekit: Twirp
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-SEs", str(self.directory / "watch.py"), str(self.directory / "config.json")]
        environment = {"RUNTIME_DIRECTORY": str(self.directory), "PATH": os.environ["PATH"]}
        with (self.directory / "log").open("a") as log:
            made = subprocess.Popen(command, stdout=log, stderr=log, text=True, env=environment)
        try:
            assert wait_until(self.metrics, 20, every=0.05), self.log
            yield made
        finally:
            made.kill()
            made.wait()

    def metrics(self) -> str:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}metrics", timeout=5) as answer:
            return str(answer.read().decode())
        return ""

    def counted(self, name: str, labels: str = '{fleet="echo"}') -> int:
        found = re.search(rf"^{name}{re.escape(labels)} (\d+)$", self.metrics(), re.MULTILINE)
        assert found, self.metrics()
        return int(found[1])

    @property
    def lost(self) -> int:
        return self.counted("livekit_agents_jobs_lost_total")

    @property
    def again(self) -> int:
        return self.counted("livekit_agents_jobs_redispatched_total")

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def tell(self, what: dict[str, Any], key: str = KEY) -> None:
        assert webhooks.told(self.url, what, key, KEYS[key]) == 200

    def says(self, words: str) -> None:
        assert wait_until(lambda: words in self.log, 15, every=0.05), self.log


@pytest.fixture
def place(own: Settings, tmp_path: Path) -> Iterator[Place]:
    with twirp([CALLER], key=KEY, secret=SECRET) as livekit:
        livekit.made_up = False
        port = free_port("127.0.0.1")
        config = own.config | {"port": port, "ws_url": livekit.url, "api_key": KEY, "api_secret": SECRET, "keys": KEYS}
        for name, text in own.programs.items():
            quick = text
            for word, value in QUICK.items():
                quick = re.sub(rf"^{word} = [\d.]+", f"{word} = {value}", quick, flags=re.MULTILINE)
            (tmp_path / name).write_text(quick)
        (tmp_path / "config.json").write_text(json.dumps(config))
        yield Place(tmp_path, livekit, port)


@pytest.fixture
def watch(place: Place) -> Iterator[Place]:
    place.livekit.dispatch("echo", "agent-AJ_1", metadata="m")
    with place.running():
        yield place
