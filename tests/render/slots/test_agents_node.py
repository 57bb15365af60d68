"""A fleet for Node: its files, and its launcher, run with a framework that is a stand-in."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from lab.run import wait_until
from livekit_metal.roles.agents.tasks import Agents
from livekit_metal.runtime.slots.components import components
from livekit_metal.site.model import Site
from tests.render.conftest import Verify
from tests.support.calls.control import free_port
from tests.support.twirp import Twirp, twirp
from tests.support.values.agents import ECHO_NODE, talking

RELEASE = "/opt/livekit/agents-echo/1.9.0-abc"
LAUNCHER = Path(__file__).parents[3] / "roles/agents/on_host/launcher.mjs"
NODE = shutil.which("node")
# Its server has an idle job process, which gets a job when the worker hears SIGUSR2; `crash` and `end` end it.
STANDIN = """
import { EventEmitter } from "node:events"; import { createServer } from "node:http";
import { fork } from "node:child_process";
export const isAgent = (a) => typeof a?.entry === "function"; export const defineAgent = (a) => a;
export const initializeLogger = () => {};
const say = (level) => (extra, text) => console.log(JSON.stringify({ level, ...extra, msg: text }));
export const log = () => ({ info: say("info"), error: say("error"), warn: say("warn") });
export class ServerOptions { constructor(all) { Object.assign(this, { loadFunc: async () => 1 }, all); } }
export class AgentServer {
  event = new EventEmitter(); id = "AW_1";
  constructor(options) { this.options = options; }
  async run() {
    const { maxRetry: retries, agentName: name, mine, loadThreshold, loadFunc } = this.options;
    const load = `${await loadFunc(this)} of ${loadThreshold}`;
    console.log(JSON.stringify({ retries, name, mine, load }));
    this.http = createServer((_, answer) => answer.end("OK")).listen(this.options.port, this.options.host);
    this.job = fork(new URL("job.js", import.meta.url));
    this.over = new Promise((go) => this.job.on("exit", go));
    const value = { runningJob: { job: { id: "J", dispatchId: "AD_1", room: { name: "r", sid: "RM_1" } } } };
    process.on("SIGUSR2", () => this.job.send({ case: "startJobRequest", value }));
    process.on("SIGWINCH", () => process.emit("unhandledRejection", new Error("of nobody")));
    this.event.emit("worker_registered");
    await new Promise(() => {});
  }
  async drain(ms) {
    await Promise.race([this.over, new Promise((_, no) => setTimeout(no, ms, new Error("timed out")))]);
  }
  async close() { this.job.kill(); }
}
"""
JOB = """
import { existsSync } from "node:fs";
process.on("SIGTERM", () => {}); process.on("message", () => {}); process.on("disconnect", () => process.exit(1));
setInterval(() => {
  if (existsSync("crash")) process.exit(1);
  if (existsSync("end")) process.send({ case: "done" }, () => process.exit(0));
}, 20);
"""
AGENT = 'import { defineAgent } from "@livekit/agents";\nexport default defineAgent({ entry: async () => {} });\n'


@pytest.fixture
def fleet(make_site: Callable[[dict[str, Any]], Site]) -> Agents:
    made = make_site(talking(echo={"source": {"node": ECHO_NODE}}))
    found = components(made.for_host("lk1"))["agents-echo"]
    assert isinstance(found, Agents)
    return found


def test_units_are_sound_and_tight(fleet: Agents, verify_unit: Verify) -> None:
    generation, found = fleet.generation(RELEASE)
    files = {PurePosixPath(file.path).name: file for file in found}
    drop_in = files["slot-a.conf"].text
    assert f"\nExecStart=/usr/bin/node {generation.directory}/launcher.mjs {generation.directory}/a.yaml\n" in drop_in
    assert "PYTHON" not in drop_in
    assert files["launcher.mjs"].text == LAUNCHER.read_text()
    assert "told.mjs" in files
    assert "launcher.py" not in files
    whole = fleet.units[0].text.replace(
        "ExecStart=/bin/false\n", drop_in.partition("[Service]\n")[2].replace("ExecStart=\n", "")
    )
    assert verify_unit("livekit-agents-echo@a.service", whole) <= 2.0


class Place:
    """A release in a directory, and its launcher."""

    def __init__(self, root: Path, livekit: Twirp) -> None:
        assert NODE
        self.livekit, self.drains = livekit, root / "drains"
        self.root, self.port, self.code = root, free_port("127.0.0.1"), root / "code"
        framework = self.code / "node_modules/@livekit/agents"
        framework.mkdir(parents=True)
        package = {"type": "module", "exports": {".": {"import": {"default": "./index.js"}, "require": "./index.js"}}}
        (framework / "package.json").write_text(json.dumps(package))
        (framework / "index.js").write_text(STANDIN)
        (framework / "job.js").write_text(JOB)
        (self.code / "package.json").write_text('{"type": "module"}')
        version = subprocess.check_output([NODE, "-p", "process.versions.node.split('.')[0]"], text=True).strip()
        self.config = {
            "ws_url": livekit.url, "api_key": "k", "api_secret": "s" * 32, "agent_name": "echo", "deployment": "",
            "entrypoint": "agent.js", "interpreter": version, "port": self.port, "drain_timeout": 60,
            "num_idle_processes": 1, "load_threshold": 0.7, "log_level": "info", "environment": {"A": "b"},
        }  # fmt: skip

    def command(self, code: str, *words: str, **more: Any) -> list[str]:
        (self.code / "agent.js").write_text(code)
        (self.root / "a.yaml").write_text(f"# a comment\n{json.dumps(self.config | more)}\n")
        return [str(NODE), str(LAUNCHER), str(self.root / "a.yaml"), *words]

    def get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return ""

    def worker(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.get("/worker") or "{}")
        return said

    @contextmanager
    def running(self, code: str = "", **more: Any) -> Iterator[subprocess.Popen[str]]:
        """A worker that is registered and has a job."""
        environment = {"RUNTIME_DIRECTORY": str(self.root), "LKM_DRAINS": str(self.drains), "PATH": "/usr/bin:/bin"}
        command = self.command(f"{AGENT}{code}export const options = {{ mine: process.env.A }};\n", **more)
        worker = subprocess.Popen(command, cwd=self.code, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert wait_until(lambda: self.get("/") == "OK", 60), "it is not registered"
            worker.send_signal(signal.SIGUSR2)
            assert wait_until(lambda: self.worker().get("rooms") == ["r"], 20)
            yield worker
        finally:
            worker.kill()
            worker.wait()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    if NODE is None:
        pytest.skip("node is not on this machine: the launcher of fleets for Node cannot be run")
    with twirp([{"identity": "caller", "kind": "STANDARD"}]) as livekit:
        yield Place(tmp_path, livekit)


@pytest.fixture
def worker(place: Place) -> Iterator[subprocess.Popen[str]]:
    with place.running() as made:
        yield made


@pytest.mark.parametrize(
    ("code", "more", "words"),
    [
        (AGENT, {}, ""),
        ("import 'nothing-there';\n", {}, "agent.js cannot be imported: Error: Cannot find package 'nothing-there'"),
        ("throw new Error('no way')\n", {}, "agent.js cannot be imported: Error: no way (agent.js:1)"),
        ("this is no code\n", {}, "agent.js cannot be imported: SyntaxError"),
        ("export default 3\n", {}, "agent.js has no agent (defineAgent) as its default export"),
        (AGENT, {"interpreter": "99"}, "the fleet was built for 99"),
        (f"{AGENT}if (process.env.A !== 'b' || !process.env.LIVEKIT_URL.startsWith('ws://127')) throw 1;\n", {}, ""),
    ],
)  # fmt: skip
def test_an_entry_point_is_judged_before_anything_starts(
    place: Place, code: str, more: dict[str, Any], words: str
) -> None:
    command = place.command(code, "--check", **more)
    done = subprocess.run(command, cwd=place.code, capture_output=True, text=True, check=False)
    assert words in done.stderr
    assert done.stderr.count("\n") == bool(words), "one line, no trace"
    assert done.returncode == bool(words)


def test_a_worker_drains_at_its_first_sigterm_and_hears_no_second(place: Place, worker: subprocess.Popen[str]) -> None:
    place.drains.touch()
    for _ in range(2):
        worker.send_signal(signal.SIGTERM)
        assert wait_until(lambda: place.worker().get("draining"), 20)
        assert place.get("/") != "OK", "it takes no job"
        assert place.worker()["active_jobs"] == 1
    (place.code / "end").touch()
    assert worker.wait(60) == 0
    assert worker.stdout
    said = [json.loads(line) for line in worker.stdout]
    wanted = {"retries": 10**9, "name": "echo", "mine": "b", "load": "1 of 0.7"}
    assert wanted in said, "it never gives up, and has the options of the code"
    assert not [line for line in said if line.get("level") == "error"]


def test_a_worker_without_a_bound_for_its_load_takes_jobs_always(place: Place) -> None:
    with place.running(load_threshold=1.0) as worker:
        assert worker.stdout
        assert json.loads(worker.stdout.readline())["load"] == "0.99 of Infinity"


def test_a_worker_whose_code_has_taken_sigterm_sees_that_it_drains(place: Place) -> None:
    with place.running(code="process.on('SIGUSR1', () => process.removeAllListeners('SIGTERM'));\n") as worker:
        worker.send_signal(signal.SIGUSR1)
        place.drains.touch()
        assert wait_until(lambda: place.worker().get("draining"), 20)
        assert place.worker()["active_jobs"] == 1
        worker.send_signal(signal.SIGTERM)  # systemd's, after the file
        (place.code / "end").touch()
        assert worker.wait(60) == 0


def test_a_job_that_crashes_and_a_failure_of_nobody_end_no_worker(place: Place, worker: subprocess.Popen[str]) -> None:
    worker.send_signal(signal.SIGWINCH)
    assert "livekit_agents_jobs 1\n" in place.get("/metrics")
    (place.code / "crash").touch()
    assert wait_until(lambda: "livekit_agents_jobs_lost_total 1\n" in place.get("/metrics"), 20)
    assert (place.worker()["jobs_taken"], place.worker()["active_jobs"]) == (1, 0)
    assert worker.poll() is None
    assert place.livekit.asked == 0, "it was not told to dispatch again"


def test_a_job_that_somebody_else_has_seen_to_is_not_counted_again(place: Place) -> None:
    place.livekit.made_up = False  # the watcher has deleted its dispatch
    with place.running(redispatch=True) as first:
        first.kill()
        first.wait()
    with place.running(redispatch=True):
        assert wait_until(lambda: place.livekit.missed, 20)
        assert (place.worker()["jobs_lost"], place.livekit.wanted) == (0, [])


def test_lost_jobs_are_dispatched_anew_by_their_worker_or_by_its_successor(place: Place) -> None:
    with place.running(redispatch=True) as first:
        first.kill()
        first.wait()
    again = [("AgentDispatchService/DeleteDispatch", {"room": "r", "dispatch_id": "AD_1"})]
    again += [("AgentDispatchService/CreateDispatch", {"room": "r", "agent_name": "echo", "metadata": ""})]
    with place.running(redispatch=True) as second:
        assert wait_until(lambda: place.livekit.wanted == again, 20), "its job was that of a worker which was killed"
        assert "livekit_agents_jobs_redispatched_total 1\n" in place.get("/metrics")
        (place.code / "crash").touch()
        assert wait_until(lambda: len(place.livekit.wanted) == 2 * len(again), 20)
        assert place.worker()["jobs_lost"] == 2
        assert json.loads((place.root / "jobs").read_text())["tried"] == {"RM_1": 2}
        second.kill()
