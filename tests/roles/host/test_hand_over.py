"""What a hand-over does on a host: the active file, what a drain puts beside its unit, in which order."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core import shell
from livekit_metal.core.slots.active import Active
from livekit_metal.core.slots.decision import DRAIN_DROP_IN, FINISH_SCRIPT
from livekit_metal.core.types.duration import Duration
from livekit_metal.roles.sip import tasks as sip
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.slots import switchover
from livekit_metal.runtime.slots.switchover import Switchover
from tests.support.programs.fakes import Fakes

HOST: Any = None
FINISH = """echo "it's $slot of '$unit'" `echo end`"""
STOP = "systemctl stop --no-block livekit-daemon@b.service"


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    made = Fakes(
        tmp_path,
        systemctl='case "$*" in *is-active*) exit 3 ;; *show*) echo deactivating ;; esac',
        systemd_run="",
    )
    monkeypatch.setattr(switchover, "run", made.run)
    monkeypatch.setattr(switchover, "RUN", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run/candidate-daemon-b").touch()
    (tmp_path / "active").write_text("other x\ndaemon b\n")
    return made


@pytest.fixture
def change(tmp_path: Path) -> Switchover:
    return Switchover(
        component="daemon",
        unit="livekit-daemon@{}.service",
        active=Active(str(tmp_path / "active"), ""),
        deadline=Duration(3600),
        finish=FINISH,
        grace=Duration(30),
        signal="SIGINT",
    )


def test_new_sessions_go_over_before_the_old_slot_is_told_to_end(
    fakes: Fakes, change: Switchover, tmp_path: Path
) -> None:
    mark = tmp_path / "marks/active"
    assert change.switch_traffic(HOST, "a", ["b"], str(mark)) == ""
    assert (tmp_path / "active").read_text().splitlines() == ["other x", "daemon a"]
    assert mark.exists()
    beside = tmp_path / "system/livekit-daemon@b.service.d"
    assert (beside / DRAIN_DROP_IN).read_text() == "[Service]\nKillSignal=SIGINT\nTimeoutStopSec=3630s\n"
    assert not (tmp_path / "run/candidate-daemon-b").exists()
    calls = fakes.calls
    timer = "systemd-run -q --unit=livekit-finish-daemon-b --on-active=1h --timer-property=AccuracySec=1s"
    assert calls[1] == f"{timer} /bin/sh {beside}/{FINISH_SCRIPT}"
    assert calls[2:] == ["systemctl daemon-reload", STOP]


@pytest.mark.parametrize(
    ("state", "said"), [("deactivating", "it's b of 'livekit-daemon@b.service' end\n"), ("inactive", "")]
)
def test_at_the_deadline_a_slot_that_still_drains_is_finished(
    fakes: Fakes, change: Switchover, tmp_path: Path, *, state: str, said: str
) -> None:
    change.drain(HOST, ["b"])
    fakes.program("systemctl", f"echo {state}")
    script = (tmp_path / f"system/livekit-daemon@b.service.d/{FINISH_SCRIPT}").read_text()
    assert fakes.run(HOST, script) == said


def test_a_drain_alone_leaves_the_active_file(fakes: Fakes, change: Switchover, tmp_path: Path) -> None:
    change.drain(HOST, ["b", "c"])
    assert (tmp_path / "active").read_text() == "other x\ndaemon b\n"
    assert [call for call in fakes.calls if "stop" in call] == [STOP, STOP.replace("@b", "@c")]


def test_no_slot_of_the_host_has_no_line(fakes: Fakes, change: Switchover, tmp_path: Path) -> None:
    change.switch_traffic(HOST, "", ["b"])
    assert (tmp_path / "active").read_text() == "other x\n"
    assert STOP in fakes.calls


def test_nothing_drains_when_new_sessions_cannot_go_over(fakes: Fakes, change: Switchover, tmp_path: Path) -> None:
    broken = replace(change, flip='echo "nobody answers" >&2; false; write "$component $slot"')
    with pytest.raises(HostError, match="nobody answers"):
        broken.switch_traffic(HOST, "a", ["b"], str(tmp_path / "mark"))
    assert fakes.calls == []
    assert not (tmp_path / "mark").exists()
    assert (tmp_path / "active").read_text() == "other x\ndaemon b\n"


def test_what_nobody_waits_for_any_longer_is_told(fakes: Fakes, change: Switchover) -> None:
    waits = replace(change, waiting="""[ "$1" = b ] || return 0; echo 'the room "x"'""")
    assert waits.drain(HOST, ["b", "c"]) == 'slot b drains without waiting any longer for the room "x"'
    assert STOP in fakes.calls


@pytest.mark.parametrize(("slot", "line"), [("a", "daemon a\n"), ("", "")])
def test_what_stands_in_front_is_told_after_the_active_file(
    fakes: Fakes, change: Switchover, tmp_path: Path, slot: str, line: str
) -> None:
    """Its path is a value, whatever it looks like; the slots that drain are not lost with it."""
    dispatch = tmp_path / "it's $(id) dispatch"
    dispatch.write_text(f"grep daemon {tmp_path}/active >{tmp_path}/told || :\n")
    tell = shell.given(sip._TELL, str(dispatch))
    replace(change, flip=tell, close=tell).switch_traffic(HOST, slot, ["b"])
    assert (tmp_path / "told").read_text() == line
    assert STOP in fakes.calls


def test_what_ends_phone_calls_shuts_the_media_of_its_slot(fakes: Fakes, tmp_path: Path) -> None:
    fakes.program("readlink", f"echo {tmp_path}/slot-b.conf")
    fakes.program("nft", f"cat >{tmp_path}/rules")
    (tmp_path / "ports").write_text("slot b address 10.0.0.1 sip 5060 rtp 10000-10099\n")
    fakes.run(HOST, f"slot=b unit=u\n{sip._FINISH}")
    rules = (tmp_path / "rules").read_text()
    assert "table inet livekit_metal_finish_sip_b {" in rules
    assert "udp dport 10000-10099 drop" in rules
    subprocess.run(["sh", "-n"], input=sip._FINISH, text=True, check=True)
