"""Which network a lab takes, and whose a name is."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from lab import claims
from lab.places import NETWORKS, Lab
from lab.run import LabError


def networks(*texts: str) -> list[IPv4Network]:
    return [IPv4Network(text) for text in texts]


@pytest.mark.parametrize(
    ("taken", "chosen"),
    [
        ([], "10.90.0.0/24"),
        (["10.90.0.0/24"], "10.90.1.0/24"),
        (["10.90.1.0/24", "10.90.0.128/25"], "10.90.2.0/24"),
        (["10.90.0.0/23", "10.90.3.7/32"], "10.90.2.0/24"),
        (["192.168.0.0/16"], "10.90.0.0/24"),
    ],
)
def test_the_first_free_network(taken: list[str], chosen: str) -> None:
    assert str(claims.choose_network(networks(*taken))) == chosen


def test_no_network_is_left() -> None:
    with pytest.raises(LabError, match=r"^10\.90\.0\.0/16: no /24 of it is free on this machine; "):
        claims.choose_network([NETWORKS])


def test_which_routes_take_a_network() -> None:
    routes = [
        {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
        {"dst": "192.0.2.0/24", "dev": "eth0"},
        {"dst": "10.0.0.0/8", "dev": "tun0"},
        {"dst": "10.90.0.1", "type": "local", "dev": "lkm-lab"},
        {"dst": "10.90.1.4/31", "dev": "tun0"},
        {"dst": "10.90.2.255", "type": "broadcast", "dev": "lkm-other"},
        {"dst": "10.90.3.0/24", "type": "unreachable"},
    ]
    taken = claims.routed(routes, but="lkm-lab")
    assert [str(n) for n in taken] == ["192.0.2.0/24", "10.90.1.4/31", "10.90.2.255/32", "10.90.3.0/24"]
    assert str(claims.choose_network(taken)) == "10.90.0.0/24"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A machine without labs; the routes it has are what the test puts into the list."""
    routes: list[dict[str, Any]] = []
    forward = tmp_path / "proc"
    forward.write_text("0\n")
    monkeypatch.setattr(claims, "MACHINE_WIDE", tmp_path / "run")
    monkeypatch.setattr(claims, "_LINKS", tmp_path / "links")
    monkeypatch.setattr(claims, "_FORWARD", forward)
    monkeypatch.setattr(claims, "_FORWARD_WAS", tmp_path / "run" / "ip_forward")
    monkeypatch.setattr(claims, "run", lambda *_: json.dumps(routes))
    return routes


def lab_in(checkout: Path, name: str = "lab") -> Lab:
    return Lab(name, checkout)  # nothing of it is there yet


@pytest.mark.usefixtures("machine")
def test_labs_side_by_side_and_again(tmp_path: Path) -> None:
    first, second = lab_in(tmp_path / "one"), lab_in(tmp_path / "one", "other")
    assert str(claims.claim(first)) == "10.90.0.0/24"
    assert str(claims.claim(second)) == "10.90.1.0/24"
    claims.release(first)
    assert str(claims.claim(second)) == "10.90.1.0/24"
    assert str(claims.claim(first)) == "10.90.0.0/24"


@pytest.mark.usefixtures("machine")
def test_a_name_belongs_to_one_checkout(tmp_path: Path) -> None:
    claims.claim(lab_in(tmp_path / "one"))
    stranger = lab_in(tmp_path / "two")
    with pytest.raises(LabError, match=r"^lab: is the name of the lab of .*/one/\.lab; .*'make lab-down' there$"):
        claims.refuse_foreign(stranger)
    with pytest.raises(LabError, match="run 'make lab-down' there"):
        claims.removable(stranger)


@pytest.mark.usefixtures("machine")
def test_a_claim_whose_checkout_and_bridge_are_gone_counts_for_nothing(tmp_path: Path) -> None:
    gone = lab_in(tmp_path / "one")
    claims.claim(gone)
    gone.dir.rmdir()
    (tmp_path / "links" / gone.bridge).mkdir(parents=True)
    other = lab_in(tmp_path / "two")
    with pytest.raises(LabError, match=r"run 'make lab-down' here, as that directory is gone$"):
        claims.refuse_foreign(other)
    assert claims.removable(other) == gone
    (tmp_path / "links" / gone.bridge).rmdir()
    claims.refuse_foreign(other)
    assert claims.removable(other) == other
    assert str(claims.claim(other)) == "10.90.0.0/24"


def test_a_network_taken_meanwhile_is_refused(tmp_path: Path, machine: list[dict[str, Any]]) -> None:
    lab = lab_in(tmp_path)
    lab.dir.mkdir()
    (lab.dir / "lab.json").write_text(json.dumps({"network": "10.90.5.0/24"}))
    assert str(claims.claim(lab)) == "10.90.5.0/24"
    machine.append({"dst": "10.90.5.9", "dev": "tun0"})
    with pytest.raises(LabError, match=r"^10\.90\.5\.0/24: the lab's network has been taken by something else"):
        claims.claim(lab)


@pytest.mark.usefixtures("machine")
def test_the_last_lab_puts_ip_forward_back(tmp_path: Path) -> None:
    switch = tmp_path / "proc"
    first, second = lab_in(tmp_path / "one"), lab_in(tmp_path / "two", "other")
    claims.claim(first)
    claims.forward()
    claims.claim(second)
    claims.forward()
    claims.release(first)
    assert switch.read_text() == "1\n"
    claims.release(second)
    assert switch.read_text() == "0\n"


@pytest.mark.usefixtures("machine")
def test_an_ip_forward_that_was_on_stays_on(tmp_path: Path) -> None:
    switch = tmp_path / "proc"
    switch.write_text("1\n")
    lab = lab_in(tmp_path)
    claims.claim(lab)
    claims.forward()
    claims.release(lab)
    assert switch.read_text() == "1\n"
