"""The files of a fleet, parsed back; its launcher, run with a framework that is a stand-in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from livekit_metal.roles.agents.generation import deployment
from livekit_metal.roles.agents.tasks import Agents
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.slots.components import components
from livekit_metal.site.model import Site
from tests.render.conftest import Verify
from tests.support.values.agents import talking

RELEASE = "/opt/livekit/agents-echo/1.8.9-abc"
WITH_DEVICES = 2.2  # of systemd-analyze security: /dev is the host's, closed but for some
LAUNCHER = Path(__file__).parents[3] / "roles/agents/on_host/launcher.py"


@pytest.fixture
def fleet(make_site: Callable[[dict[str, Any]], Site]) -> Agents:
    made = make_site(talking(echo={"environment": {"GREETING": "hi"}, "secrets": ["SPEECH_KEY"], "memory": "2G"}))
    assert made.vault
    made.vault.set_password("agent-SPEECH_KEY", "a 'secret' $(of) \"theirs\"")
    found = components(made.for_host("lk1"))["agents-echo"]
    assert isinstance(found, Agents)
    return found


@pytest.fixture
def made(fleet: Agents) -> tuple[Generation, dict[str, File]]:
    generation, files = fleet.generation(RELEASE)
    return generation, {PurePosixPath(file.path).name: file for file in files}


def test_a_slot_is_told_who_it_is_and_a_proof_that_it_is_one(
    fleet: Agents, made: tuple[Generation, dict[str, File]]
) -> None:
    generation, files = made
    serving, alone = (yaml.safe_load(files[f"b{suffix}.yaml"].text) for suffix in ("", "-alone"))
    assert serving["port"] == 9611
    assert serving["ws_url"] == "ws://127.0.0.1:7880"
    assert serving["agent_name"] == alone["agent_name"] == "echo"
    assert serving["environment"] == {"GREETING": "hi", "SPEECH_KEY": "a 'secret' $(of) \"theirs\""}
    assert (serving["deployment"], alone["deployment"]) == ("", deployment(generation.name, "b"))
    assert serving["drain_timeout"] == 3600
    assert fleet.switchover().grace > 0, "callbacks of what is left at the deadline have time before the kill"


def test_secrets_stand_in_files_that_nobody_else_reads(made: tuple[Generation, dict[str, File]], fleet: Agents) -> None:
    files = made[1]
    secret = {name for name, file in files.items() if "$(of)" in file.text}
    assert secret == {f"{slot}{suffix}.yaml" for slot in "abc" for suffix in ("", "-alone")}
    for name in secret:
        assert (files[name].mode, files[name].group, files[name].secret) == ("640", "livekit-agents-echo", True)
    key = next(iter(fleet.settings.api_keys.values())).reveal()
    assert not [name for name, file in files.items() if key in file.text and name not in secret]


def test_units_are_sound_and_tight(
    fleet: Agents, made: tuple[Generation, dict[str, File]], verify_unit: Verify
) -> None:
    drop_in = made[1]["slot-a.conf"].text
    for line in ("KillMode=mixed", "Restart=always", "MemoryMax=2G", "OOMPolicy=continue", "User=livekit-agents-echo"):
        assert f"\n{line}\n" in drop_in
    assert f"\nEnvironment=LKM_STAMP={made[0].name}\n" in drop_in
    assert f"\nWorkingDirectory={RELEASE}/code\n" in drop_in
    assert "~alone" in made[1]["slot-a-alone.conf"].text
    assert "secret" not in drop_in
    assert "\nRuntimeDirectory=livekit-agents-echo-%i\n" in drop_in, (
        "one directory: systemd leaves those above it behind"
    )
    unit = fleet.units[0]
    assert unit.path.endswith("/livekit-agents-echo@.service")
    whole = unit.text.replace("ExecStart=/bin/false\n", drop_in.partition("[Service]\n")[2].replace("ExecStart=\n", ""))
    assert verify_unit("livekit-agents-echo@a.service", whole) <= 2.0


def test_a_fleet_with_a_gpu_gets_its_devices_and_no_others(
    make_site: Callable[[dict[str, Any]], Site], verify_unit: Verify
) -> None:
    fleet = components(make_site(talking(echo={"gpu": True})).for_host("lk1"))["agents-echo"]
    drop_in = next(file.text for file in fleet.generation(RELEASE)[1] if file.path.endswith("/slot-a.conf"))
    assert "\nPrivateDevices=no\nDevicePolicy=closed\nDeviceAllow=char-nvidia* rw\n" in drop_in
    assert "PrivateDevices=yes" not in drop_in
    assert "DeviceAllow" not in "".join(file.text for file in fleet.units)
    whole = fleet.units[0].text.replace(
        "ExecStart=/bin/false\n", drop_in.partition("[Service]\n")[2].replace("ExecStart=\n", "")
    )
    assert verify_unit("livekit-agents-echo@a.service", whole) <= WITH_DEVICES


STANDIN = """
class AgentServer:
    def __init__(self): self._entrypoint_fnc = None; self._draining = False
    def rtc_session(self, f): self._entrypoint_fnc = f; return f
    def update_options(self, **said): self.said = said
    @classmethod
    def from_server_options(cls, options): made = cls(); made._entrypoint_fnc = options; return made
class WorkerOptions: pass
"""


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """What ``launcher.py --check`` says of an entry point: (exit status, words)."""
    (tmp_path / "site/livekit/agents").mkdir(parents=True)
    (tmp_path / "site/livekit/agents/__init__.py").write_text(STANDIN)
    (tmp_path / "code").mkdir()

    def check(code: str, **more: Any) -> tuple[int, str]:
        (tmp_path / "code/agent.py").write_text(f"from livekit.agents import *\n{code}")
        config = {
            "ws_url": "ws://x", "api_key": "k", "api_secret": "s", "agent_name": "echo", "deployment": "",
            "entrypoint": "agent.py", "interpreter": ".".join(map(str, sys.version_info[:2])), "port": 1,
            "drain_timeout": 60, "num_idle_processes": 1, "load_threshold": 0.7, "log_level": "info", "environment": {},
        } | more  # fmt: skip
        (tmp_path / "a.yaml").write_text(f"# a comment\n{json.dumps(config)}\n")
        command = [sys.executable, "-S", "-B", str(LAUNCHER), str(tmp_path / "a.yaml"), "--check"]
        path = f"{tmp_path}/code:{tmp_path}/site"
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": path})
        return done.returncode, done.stderr.strip()

    return check


SERVER = "server = AgentServer()\n@server.rtc_session\ndef f(job): ...\n"


@pytest.mark.parametrize(
    ("code", "more", "words"),
    [
        (SERVER, {}, ""),
        ("one = AgentServer()\none.rtc_session(print)\n", {}, ""),
        ("options = WorkerOptions()\n", {}, ""),
        ("import nothing_there\n", {}, "agent.py cannot be imported: ModuleNotFoundError: No module named "
         "'nothing_there' (agent.py:2)"),
        ("raise SystemExit(3)\n", {}, "agent.py cannot be imported: SystemExit: 3 (agent.py:2)"),
        ("x = 1\n", {}, "agent.py has no AgentServer among its globals"),
        ("one, two = AgentServer(), AgentServer()\n", {}, "agent.py has 2 AgentServers, none called server among its "
         "globals"),
        ("server = AgentServer()\n", {}, "the AgentServer of agent.py has no rtc_session"),
        (SERVER, {"interpreter": "3.99"}, "the fleet was built for 3.99"),
        (f"import os\nassert os.environ['LIVEKIT_URL'] == 'ws://x' and os.environ['A'] == 'b'\n{SERVER}",
         {"environment": {"A": "b"}}, ""),
    ],
)  # fmt: skip
def test_an_entry_point_is_judged_before_anything_starts(
    checked: Callable[..., tuple[int, str]], code: str, more: dict[str, Any], words: str
) -> None:
    status, said = checked(code, **more)
    assert said.endswith(words), said
    assert "Traceback" not in said
    assert status == bool(words), said


LOUD = """
import sys
class Loud(AgentServer):
    def update_options(self, **said): print(said["load_threshold"], file=sys.stderr)
server = Loud()
server.rtc_session(print)
"""


@pytest.mark.parametrize(
    ("more", "load"),
    [({}, "0.7"), ({"load_threshold": 1.0}, "inf"), ({"deployment": "proof"}, "inf")],
    ids=["as set", "always", "a proof"],
)
def test_a_worker_takes_jobs_up_to_its_load(
    checked: Callable[..., tuple[int, str]], more: dict[str, Any], load: str
) -> None:
    assert checked(LOUD, **more) == (0, load)


def test_modules_of_the_code_are_its_own(checked: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    """The launcher's stand before them on the path of modules."""
    for name in ("rooms", "logs"):
        (tmp_path / f"code/{name}.py").write_text("MINE = True\n")
    assert checked(f"import rooms, logs\nassert rooms.MINE and logs.MINE\n{SERVER}") == (0, "")
