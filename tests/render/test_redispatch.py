"""The watcher, run as on a host: signed webhooks come in, LiveKit's API (a small one) is asked."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.run import wait_until
from livekit_metal.roles.redispatch import tasks
from livekit_metal.roles.redispatch.settings import UNIT, Settings
from livekit_metal.site.model import Site
from tests.render.conftest import Verify
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
QUICK = {"GRACE": 0.1, "TAKEN": 0.6, "EVERY": 0.05, "PATIENCE": 5.0}


@pytest.fixture
def own(make_site: Callable[[dict[str, Any]], Site]) -> Settings:
    data = talking()
    data["agents"]["redispatch"] = True
    found = make_site(data).for_host("lk1").of(Settings)
    assert found is not None
    assert found.wanted
    return found


def test_its_unit_is_sound_and_tight(own: Settings, verify_unit: Verify) -> None:
    (unit,) = (file for file in tasks.service(own).files if file.path.endswith(UNIT))
    assert verify_unit(UNIT, unit.text) <= 2.0


def test_no_secret_is_where_others_read(own: Settings) -> None:
    secrets = [each.reveal() for each in (*own.api_keys.values(), *own.signers.values())]
    for file in tasks.service(own).files:
        if any(secret in file.text for secret in secrets):
            assert (file.mode, file.secret) == ("600", True), file.path


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
            for word, value in QUICK.items() if name == "losses.py" else ():
                quick = re.sub(rf"^{word} = [\d.]+", f"{word} = {value}", quick, flags=re.MULTILINE)
            (tmp_path / name).write_text(quick)
        (tmp_path / "config.json").write_text(json.dumps(config))
        yield Place(tmp_path, livekit, port)


@pytest.fixture
def watch(place: Place) -> Iterator[Place]:
    place.livekit.dispatch("echo", "agent-AJ_1", metadata="m")
    with place.running():
        yield place


def test_an_agent_that_left_without_a_word_is_counted_and_another_one_is_sent(watch: Place) -> None:
    watch.tell(webhooks.event())
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    assert [method for method, _ in watch.livekit.wanted] == [
        "AgentDispatchService/DeleteDispatch",
        "AgentDispatchService/CreateDispatch",
    ]
    assert watch.livekit.wanted[-1] == ANEW
    assert watch.lost == 1
    lines = [json.loads(line) for line in watch.log.splitlines()]
    assert {"level": "error", "room": "r", "fleet": "echo"}.items() <= next(
        x for x in lines if "lost" in x["msg"]
    ).items()


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_site_signs(watch: Place, key: str) -> None:
    """Also while one takes the place of another."""
    watch.tell(webhooks.event("participant_connection_aborted", disconnectReason="SIGNAL_CLOSE"), key)
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log


@pytest.mark.parametrize(
    ("event", "more"),
    [
        *(("participant_left", {"disconnectReason": each}) for each in ("CLIENT_INITIATED", "PARTICIPANT_REMOVED")),
        *(
            ("participant_left", {"disconnectReason": each})
            for each in ("DUPLICATE_IDENTITY", "ROOM_CLOSED", "MIGRATION")
        ),
        ("participant_left", {"disconnectReason": None}),
        ("participant_left", {"kind": "STANDARD"}),
        ("participant_joined", {}),
        ("track_published", {}),
    ],
)
def test_who_said_goodbye_or_is_no_agent_is_not_lost(watch: Place, event: str, more: dict[str, Any]) -> None:
    watch.tell(webhooks.event(event, **more))
    watch.livekit.dispatch("echo", "agent-AJ_7", metadata="m")
    watch.tell(webhooks.event(identity="agent-AJ_7"))  # one that is: it is seen to after the first
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    assert watch.lost == 1
    assert [said["dispatch_id"] for method, said in watch.livekit.wanted if "Delete" in method] != ["AD_0_0"]


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
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            held = stack.enter_context(socket.create_connection(("127.0.0.1", watch.port)))
            held.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
        assert wait_until(watch.metrics, 40, every=1)


def test_a_body_that_is_too_large_is_not_read(watch: Place) -> None:
    with socket.create_connection(("127.0.0.1", watch.port)) as made:
        made.sendall(b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n")
        assert b" 413 " in made.recv(100)


def test_an_agent_that_is_back_in_time_is_not_lost(watch: Place) -> None:
    watch.livekit.people = [CALLER, LOST]
    watch.tell(webhooks.event())
    watch.says("an agent was gone and is back")
    assert (watch.livekit.wanted, watch.lost) == ([], 0)


def test_what_its_worker_has_seen_to_is_left_alone(watch: Place) -> None:
    watch.livekit.dispatches.clear()
    watch.tell(webhooks.event())
    watch.says("its dispatch was seen to")
    assert (watch.livekit.wanted, watch.lost) == ([], 0)


@pytest.mark.parametrize(
    ("people", "why"),
    [
        ([], "nobody is left"),
        ([CALLER, OTHER], "another agent"),
        ([{"identity": "x", "kind": "EGRESS"}], "nobody is left"),
    ],
)
def test_nobody_is_sent_where_nobody_waits_or_somebody_is(watch: Place, people: list[dict[str, Any]], why: str) -> None:
    watch.livekit.people = people
    watch.tell(webhooks.event())
    watch.says(why)
    assert (watch.lost, ANEW in watch.livekit.wanted) == (1, False), "it was lost all the same"


def test_agents_that_are_no_fleets_and_proofs_are_nobodys_business(place: Place) -> None:
    place.livekit.dispatch("strangers", "agent-AJ_1")
    place.livekit.dispatch("echo", "agent-AJ_2", deployment="proof-x")
    with place.running():
        place.tell(webhooks.event())
        place.tell(webhooks.event(identity="agent-AJ_2"))
        assert wait_until(lambda: place.log.count("is of no fleet") == 2, 15, every=0.05), place.log
        assert (place.livekit.wanted, place.lost) == ([], 0)


def test_livekit_server_may_say_it_twice(watch: Place) -> None:
    for _ in range(3):
        watch.tell(webhooks.event())
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    watch.tell(webhooks.event())
    watch.says("its dispatch was seen to")
    assert (watch.lost, watch.livekit.wanted.count(ANEW)) == (1, 1)


def test_without_a_worker_it_tries_until_there_is_one(watch: Place) -> None:
    watch.livekit.takes = False
    watch.tell(webhooks.event())
    assert wait_until(lambda: watch.livekit.wanted.count(ANEW) > 1, 15, every=0.05), watch.log
    watch.livekit.takes = True
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    assert watch.lost == 1
    assert len(watch.livekit.dispatches) == 1, "those that nobody took are not left behind"


def test_without_a_worker_it_gives_up_in_the_end(watch: Place) -> None:
    watch.livekit.takes = False
    watch.tell(webhooks.event())
    watch.says("no worker took it")
    assert (watch.lost, watch.again) == (1, 0)
    assert watch.livekit.dispatches == {}


def test_an_agent_that_comes_back_later_leaves_again(watch: Place) -> None:
    """Its host was cut off: its token is still good."""
    watch.tell(webhooks.event())
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    watch.livekit.people = [CALLER, OTHER, LOST]
    watch.tell(webhooks.event("participant_joined"))
    out = ("RoomService/RemoveParticipant", {"room": "r", "identity": "agent-AJ_1"})
    assert wait_until(lambda: out in watch.livekit.wanted, 15, every=0.05), watch.log
    watch.tell(webhooks.event("participant_joined", identity="agent-AJ_2"))
    assert watch.livekit.wanted.count(out) == 1


def test_a_room_that_ends_every_agent_gets_three(place: Place) -> None:
    with place.running():
        for number in range(1, 6):
            place.livekit.dispatches.clear()
            place.livekit.dispatch("echo", f"agent-AJ_{number}", metadata="m")
            place.tell(webhooks.event(identity=f"agent-AJ_{number}"))
            assert wait_until(lambda number=number: place.lost == number, 15, every=0.05), place.log  # type: ignore[misc]
            assert wait_until(lambda number=number: place.again == min(number, 3), 15, every=0.05), place.log  # type: ignore[misc]
        place.says("its job was lost too often")
        assert place.livekit.wanted.count(ANEW) == 3


def test_an_answer_that_got_lost_makes_no_second_dispatch(watch: Place) -> None:
    watch.livekit.deaf = 1
    watch.tell(webhooks.event())
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    assert watch.livekit.wanted.count(ANEW) == 1


def test_the_next_process_goes_on_with_what_is_open(place: Place) -> None:
    place.livekit.takes = False
    place.livekit.dispatch("echo", "agent-AJ_1", metadata="m")
    with place.running() as first:
        place.tell(webhooks.event())
        assert wait_until(lambda: ANEW in place.livekit.wanted, 15, every=0.05), place.log
        first.send_signal(signal.SIGKILL)
        first.wait()
    place.livekit.takes = True
    with place.running():
        assert wait_until(lambda: place.again, 15, every=0.05), place.log
    assert len(place.livekit.dispatches) == 1


@pytest.mark.parametrize("first", ["worker", "watcher", "both"])
def test_its_worker_and_the_watcher_send_one_agent_together(watch: Place, tmp_path: Path, first: str) -> None:
    """Both know of the job of a worker that was killed and is back."""
    from livekit_metal.roles.agents.on_host.again import Again  # noqa: PLC0415

    config = {"ws_url": watch.livekit.url, "api_key": KEY, "api_secret": SECRET, "agent_name": "echo", "deployment": ""}
    job = {"id": "AJ_1", "room": "r", "sid": "RM_1", "type": 0, "metadata": "m", "identity": "agent-AJ_1"}
    (dispatch,) = watch.livekit.dispatches
    (place := tmp_path / "worker").mkdir()
    Again(config | {"redispatch": True}, str(place)).began(job | {"dispatch": dispatch})
    worker = Again(config | {"redispatch": True}, str(place))
    worker.read()
    if first == "worker":
        worker.ready()
        assert wait_until(lambda: worker.dispatched, 15, every=0.05)
    watch.tell(webhooks.event())
    if first == "watcher":
        assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    if first != "worker":
        worker.ready()
    assert wait_until(lambda: watch.again + worker.dispatched, 15, every=0.05), watch.log
    watch.livekit.dispatch("echo", "agent-AJ_9", metadata="other")
    watch.tell(webhooks.event(identity="agent-AJ_9"))  # seen to after the first
    assert wait_until(lambda: watch.lost + worker.lost == 2, 15, every=0.05), watch.log
    assert watch.livekit.wanted.count(ANEW) == 1
