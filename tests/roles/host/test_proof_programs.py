"""What is asked of slots before calls reach them, and of those that serve: carried out here, with programs that answer
as a host's would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core import shell
from livekit_metal.core.types.secret import Secret
from livekit_metal.diagnosis.on_host import queries, services
from livekit_metal.roles.egress import occupancy as egress_occupancy
from livekit_metal.roles.egress import proof as egress
from livekit_metal.roles.egress import store
from livekit_metal.roles.ingress import proof as ingress
from livekit_metal.roles.ingress import tasks as ingress_tasks
from livekit_metal.roles.livekit import proof as livekit
from livekit_metal.roles.sip import proof as sip
from livekit_metal.roles.sip import tasks as sip_tasks
from livekit_metal.runtime.host import service, wait
from livekit_metal.runtime.host.commands import HostError
from tests.support.programs.fakes import Fakes

HOST: Any = None
UNIT = "livekit-x@a.service"
SYSTEMD = """case "$*" in
*NRestarts*) printf 'NRestarts=%s\\nSubState=%s\\n' "${RESTARTS:-0}" "${SUB:-running}" ;;
*MainPID*) echo 4711 ;; *InvocationID*) echo abcd ;; *Monotonic*) echo 0 ;; *ActiveState*) echo "${ACTIVE:-active}" ;;
esac"""


@pytest.fixture
def fakes(tmp_path: Path) -> Fakes:
    made = Fakes(tmp_path, systemctl=SYSTEMD, curl="echo 200", ss="echo 'users:((\"x\",pid=4711,fd=3))'", sleep="")
    made.program("journalctl", 'echo \'{"msg":"service ready"}\'')
    return made


def until(fakes: Fakes, monkeypatch: pytest.MonkeyPatch, test: str, *args: str, secret: str = "") -> str:
    monkeypatch.setattr(wait, "read", fakes.run)
    return wait.until(HOST, "that", UNIT, test, *args, within=1, secret=secret)


def test_a_wait_gives_words_and_a_secret_that_is_no_argument(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    test = """echo "$unit $1 $secret"; tr '\\0' ' ' </proc/$$/cmdline"""
    said = until(fakes, monkeypatch, test, "it's", secret="swordfish")
    assert said.startswith(f"{UNIT} it's swordfish\n")
    assert said.count("swordfish") == 1


def test_a_wait_ends_early_when_there_is_no_use(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUB", "auto-restart")
    with pytest.raises(HostError, match="it exits at start"):
        until(fakes, monkeypatch, f"{wait.ALIVE}echo yes")
    monkeypatch.setenv("ACTIVE", "failed")
    with pytest.raises(HostError, match=f"{UNIT} failed"):
        until(fakes, monkeypatch, "false")
    monkeypatch.delenv("SUB")
    assert until(fakes, monkeypatch, f"{wait.ALIVE}echo yes") == "yes\n"


@pytest.mark.parametrize(
    ("test", "words", "why"),
    [
        (egress._ANSWERS, ("1", "2", "3"), "port 1 is not its own"),
        (ingress._OWNS, ("t:80", "u:81"), "it does not listen on 80 81"),
        (sip._ANSWERS, ("1", "127.0.0.1", "5060"), "it does not listen on 5060/udp"),
        (livekit._ANSWERS, ("7880",), "timed out after 1 s waiting for: that"),
    ],
)
def test_a_port_of_another_process_is_not_the_slots(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch, *, test: str, words: tuple[str, ...], why: str
) -> None:
    fakes.program("perl")
    fakes.program("curl", 'case "$*" in *http_code*) printf 200 ;; esac')
    until(fakes, monkeypatch, test, *words)
    fakes.program("ss", "echo 'users:((\"x\",pid=47110,fd=3))'")
    with pytest.raises(HostError, match=why):
        until(fakes, monkeypatch, test, *words)


def test_a_whip_that_does_not_know_a_stream_is_heard(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.program("curl", "echo 'not found 404'")
    until(fakes, monkeypatch, ingress._HEARD, "8080")
    fakes.program("curl", "echo ' 503'")
    with pytest.raises(HostError, match="WHIP says:  503"):
        until(fakes, monkeypatch, ingress._HEARD, "8080")


@pytest.mark.parametrize("text", [egress._LIVEKIT, sip._LIVEKIT])
def test_a_livekit_that_answers_otherwise_is_told(fakes: Fakes, text: str) -> None:
    fakes.program("curl", "printf 200")
    fakes.run(HOST, text, "http://127.0.0.1:1")
    fakes.program("curl", "printf 503")
    fakes.program("date", "echo $((100 * $(cat /proc/uptime | cut -d . -f 1)))")  # time flies
    with pytest.raises(HostError, match="503"):
        fakes.run(HOST, text, "http://127.0.0.1:1")


@pytest.mark.parametrize(("text", "name"), [(ingress._RUNS, "ingress"), (sip._RUNS, "")])
def test_a_program_that_does_not_run_here_says_why(fakes: Fakes, tmp_path: Path, text: str, name: str) -> None:
    fakes.program("new", "echo 'ingress version 1.2.3'")
    fakes.run(HOST, text, f"{tmp_path}/bin/new", name)
    fakes.program("new", "echo 'libgst.so: cannot open' >&2; exit 127")
    with pytest.raises(HostError, match="libgst"):
        fakes.run(HOST, text, f"{tmp_path}/bin/new", name)


def test_readiness_must_hold(fakes: Fakes) -> None:
    """By the age of the process, which began with the machine here."""
    words = (UNIT, "7880", "6789", "/generation", "/program", "a", ":", "")
    fakes.program("curl", "printf 200")
    fakes.run(HOST, livekit._HOLDS, *words)
    fakes.run(HOST, egress._HOLDS, UNIT)
    fakes.program("curl", "printf 503")
    with pytest.raises(HostError, match="HTTP 503"):
        fakes.run(HOST, livekit._HOLDS, *words)


def test_a_slot_that_has_heard_itself_is_ready(fakes: Fakes, tmp_path: Path) -> None:
    """livekit-server says 200 at first in any case, and tells Redis of itself again only when it hears."""
    words = (UNIT, "7880", "6789", "/generation", "/program", "a", f"cat {tmp_path}/nodes", "")
    fakes.program("systemctl", "awk '{ print $1 * 1e6 }' /proc/uptime")  # it has just been started
    node = "case $* in *metrics*) echo 'x{node_id=\"ND_1\"}'; exit ;; esac"
    fakes.program(
        "curl", f"{node}; echo >>{tmp_path}/asked; [ $(wc -l <{tmp_path}/asked) -lt 4 ] && printf 200 || printf 406"
    )
    started = "│ ND_2 │ 2026-11-30 10:00:09 │\n│ (SERVING) │ 2026-11-30 10:00:11 │\n│ ND_1 │ 2026-11-30 10:00:00 │\n"
    (tmp_path / "nodes").write_text(f"{started}│ (SERVING) │ 2026-11-30 10:00:02 │\n")
    fakes.run(HOST, livekit._HOLDS, *words)
    assert (tmp_path / "asked").read_text() == "\n"
    (tmp_path / "nodes").write_text(f"{started}│ (SERVING) │ 2026-11-30 10:00:00 │\n")
    with pytest.raises(HostError, match="HTTP 406"):
        fakes.run(HOST, livekit._HOLDS, *words)


def test_the_slot_that_serves_tells_port_and_node(fakes: Fakes, tmp_path: Path) -> None:
    (tmp_path / "active").write_text("egress b\nlivekit a\n")
    (tmp_path / "ports").write_text("slot a signal 7880 metrics 6789 debug 6060\n")
    fakes.program("readlink", f"echo {tmp_path}/slot-a.conf")
    fakes.program("curl", 'echo "livekit_x{node_id=\\"ND_$*\\"}" | tr -d " "')
    words = (str(tmp_path / "active"), "livekit-server@%s.service")
    assert fakes.run(HOST, livekit._ACTIVE, *words) == "7880 ND_-s-m2http://127.0.0.1:6789/metrics\n"
    (tmp_path / "active").write_text("egress b\n")
    assert fakes.run(HOST, livekit._ACTIVE, *words) == ""


def test_rooms_that_nobody_has_joined_are_named(fakes: Fakes, tmp_path: Path) -> None:
    (tmp_path / "ports").write_text("slot a signal 7880 metrics 6789 debug 6060\n")
    fakes.program("readlink", f"echo {tmp_path}/slot-a.conf")
    fakes.program("curl", """echo '{"Name":"it\\"s","Participants":{}},{"Name":"b","Participants":{"x":1}}'""")
    script = 'unit=livekit-server@%s.service text=$1\nwaiting() { eval "$text"; }\nwaiting a'
    assert fakes.run(HOST, script, livekit.UNJOINED) == 'the rooms "it\\"s", which nobody has joined yet\n'
    (tmp_path / "ports").write_text("slot a signal 7880\n")
    assert fakes.run(HOST, script, livekit.UNJOINED) == ""


ASKED = "slot=a of=$1 pid=1\nport() { echo 80; }\n"


@pytest.mark.parametrize(
    ("text", "answer", "said"),
    [
        (egress_occupancy.ASK, '{"EG_a":{"x":"\\\\"EG_b\\\\":"},"EG_c":{}}', "a sessions 2"),
        (sip_tasks._OCCUPANCY, 'livekit_sip_calls_active{dir="in"} 2\nlivekit_sip_calls_active 1', "a sessions 3"),
        (sip_tasks._OCCUPANCY, "other 1", "a sessions 0"),
    ],
)
def test_what_is_on_a_slot_is_counted(fakes: Fakes, tmp_path: Path, *, text: str, answer: str, said: str) -> None:
    (tmp_path / "answer").write_text(answer.replace("\\\\", "\\"))
    fakes.program("curl", f"cat {tmp_path}/answer")
    assert fakes.run(HOST, ASKED + text, str(tmp_path)).strip() == said
    fakes.program("curl", "exit 7")
    assert fakes.run(HOST, f"{ASKED}{text}:", str(tmp_path)) == "", "not known is not nobody"


def test_the_doctor_asks_slots_what_they_say_and_have(fakes: Fakes, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('  "api_key": "k",\n  "api_secret": "s"\n  "node_ip": "10.0.0.1",\n')
    (tmp_path / "keys.yaml").write_text("k: s\n")
    fakes.program("curl", 'case "$*" in *metrics*) echo \'x{node_id="ND_1"}\' ;; *) printf 200 ;; esac')
    said = fakes.run(HOST, ASKED + queries._ASK, str(tmp_path)).splitlines()
    assert said[:3] == ["a http 200", "a node ND_1", "a node_ip 10.0.0.1"]
    said = fakes.run(HOST, ASKED + services._HEALTH + ingress_tasks._HEARS, str(tmp_path)).splitlines()
    assert [line.split(" ", 2)[1:] for line in said[::2]] == [["http", "200"], ["unheard", "WHIP says 200"]]
    assert said[1] == f"a keys {services._hash('k', Secret('', 's'))}"


@pytest.mark.parametrize("step", ["write", "read", "delete"])
def test_what_a_store_does_not_do_is_named(fakes: Fakes, step: str) -> None:
    verb = {"write": "rcat", "read": "cat", "delete": "deletefile"}
    works = 'case " $* " in *" rcat "*) cat >/dev/null ;; *" cat "*) printf "it\'s" ;; esac'
    fakes.program("rclone", f'[ "$RCLONE_CONFIG_STORE_TYPE" = s3 ] || exit 9\n{works}')
    words = ("store:bucket/x", "it's", "")
    fakes.run(HOST, store._PROVE, *words, stdin="TYPE=s3\n\n")
    fakes.program("rclone", f'case " $* " in *" {verb[step]} "*) echo AccessDenied; exit 1 ;; esac\n{works}')
    with pytest.raises(HostError, match=f"^{step}\nAccessDenied"):
        fakes.run(HOST, store._PROVE, *words, stdin="TYPE=s3\n\n")


def test_a_unit_that_does_not_start_says_why(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "run", fakes.run)
    service.restart(HOST, UNIT)
    assert fakes.calls[-1] == f"systemctl restart {UNIT}"
    fakes.program("systemctl", '[ "$1" != restart ]')
    fakes.program("journalctl", "echo 'bad line 3'")
    with pytest.raises(HostError, match="bad line 3"):
        service.restart(HOST, UNIT)


def test_values_that_a_look_carries_are_not_read_by_a_shell() -> None:
    assert shell.given("x", "$(id)", "it's") == "set -- '$(id)' 'it'\"'\"'s'\nx"
