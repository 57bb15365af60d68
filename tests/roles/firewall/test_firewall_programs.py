"""What loads, confirms and takes back rules, carried out here with an nft and a systemd that note their calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from livekit_metal.roles.firewall import tasks
from livekit_metal.roles.firewall.settings import ROLLBACK, TABLE, UNIT
from livekit_metal.runtime.host.commands import HostError
from tests.support.programs.fakes import Fakes

HOST: Any = None


@pytest.fixture
def fakes(tmp_path: Path) -> Fakes:
    return Fakes(tmp_path, systemctl='case "$*" in *is-active*) exit 3 ;; esac', systemd_run="", nft="")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return tmp_path / "nft/main.nft.new"


def load(fakes: Fakes, new: Path) -> None:
    fakes.run(HOST, tasks._LOAD, str(new), "60", ROLLBACK, *tasks._RESTORE, stdin="table it's {}\n")


def test_the_way_back_is_armed_before_rules_are_loaded(fakes: Fakes, new: Path) -> None:
    load(fakes, new)
    assert new.read_text() == "table it's {}\n"
    calls = [call for call in fakes.calls if not call.startswith("systemctl")]
    assert calls[0] == f"nft -c -f {new}"
    assert calls[1].startswith(
        f"systemd-run -q --unit={ROLLBACK} --on-active=60 --timer-property=AccuracySec=100ms sh -c"
    )
    assert calls[-1] == f"nft -f {new}"


def test_rules_that_nft_refuses_are_not_loaded(fakes: Fakes, new: Path) -> None:
    fakes.program("nft", "echo 'syntax error' >&2; exit 1")
    with pytest.raises(HostError, match="syntax error"):
        load(fakes, new)
    assert not new.exists()
    assert not [call for call in fakes.calls if call.startswith("systemd-run")]


def test_rules_that_the_kernel_refuses_leave_no_timer(fakes: Fakes, new: Path) -> None:
    fakes.program("nft", '[ "$1" = -c ] || { echo "no such device" >&2; exit 1; }')
    with pytest.raises(HostError, match="no such device"):
        load(fakes, new)
    assert fakes.calls[-1] == f"systemctl stop {ROLLBACK}.timer"
    assert not new.exists()


def test_rules_that_nobody_confirmed_go_before_others_come(fakes: Fakes, new: Path) -> None:
    fakes.program("systemctl")
    load(fakes, new)
    calls = fakes.calls
    assert calls.index(f"systemctl restart {UNIT}") < calls.index(f"systemctl stop {ROLLBACK}.timer {ROLLBACK}.service")


@pytest.mark.parametrize(
    ("unit", "back"),
    [
        ("exit 0", f"systemctl restart {UNIT}"),
        ('[ "$1" != cat ]', f"nft add table inet {TABLE}; delete table inet {TABLE}"),
    ],
)
def test_the_old_rules_come_back_at_once(fakes: Fakes, new: Path, unit: str, back: str) -> None:
    """Those that the unit loads; before the first confirmation there were none."""
    load(fakes, new)
    fakes.program("systemctl", unit)
    fakes.run(HOST, tasks._UNDO, str(new), ROLLBACK, *tasks._RESTORE)
    assert fakes.calls[-1] == back
    assert not new.exists()


def confirm(fakes: Fakes, new: Path) -> Path:
    main = new.with_suffix("")
    fakes.run(HOST, tasks._CONFIRM, str(new), str(main), "0123abcd", ROLLBACK, TABLE)
    return main


def test_confirmed_rules_are_where_the_host_loads_them_from(fakes: Fakes, new: Path) -> None:
    fakes.program("nft", """echo 'table inet x { comment "0123abcd" }'""")
    load(fakes, new)
    fakes.calls.clear()
    main = confirm(fakes, new)
    assert main.read_text() == "table it's {}\n"
    assert not new.exists()
    assert len(main.with_name("main.nft.listing").read_text().split()[0]) == 64
    assert f"systemctl stop {ROLLBACK}.timer" in fakes.calls


def test_rules_that_went_meanwhile_are_not_confirmed(fakes: Fakes, new: Path) -> None:
    fakes.program("nft", """echo 'table inet x { comment "before" }'""")
    load(fakes, new)
    with pytest.raises(HostError, match="the old rules came back before"):
        confirm(fakes, new)
    assert not new.with_suffix("").exists()
