"""A call's outcome, and from where it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from pyinfra.api.exceptions import ConnectError

from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.probe import call
from livekit_metal.runtime.probe.call import Kind, NoMedia, Vantage

GOOD = '{"ok": true, "problems": []}'


def test_a_good_call_is_silent_whatever_the_sdk_has_to_say() -> None:
    call._judge(f"a warning\n{GOOD}\n[1]\nthe end")


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ('{"ok": false, "no_media": false, "problems": ["call: node: no"]}', HostError, "call: node: no"),
        ('{"ok": false, "no_media": true, "problems": ["a", "b"]}', NoMedia, "a; b"),
        ('{"ok": false, "problems": ["call: media: 1 s of 2 s"]}', HostError, "call: media: 1 s of 2 s"),
        ("Failed to start transient service unit", HostError, "said nothing (Failed to start transient service unit)"),
        ("", HostError, "said nothing ()"),
    ],
)
def test_a_failed_call_says_why(said: str, kind: type[HostError], words: str) -> None:
    with pytest.raises(HostError, match=r".*") as caught:
        call._judge(said)
    assert type(caught.value) is kind
    assert words in str(caught.value)


@dataclass
class Inventory:
    hosts: dict[str, Any] = field(default_factory=dict)

    def get_host(self, name: str) -> Any:
        return self.hosts[name]


@dataclass
class Host:
    name: str
    connected: bool = False
    dead: bool = False
    inventory: Inventory = field(default_factory=Inventory)

    def connect(self, **_: Any) -> None:
        if self.dead and not self.connected:
            raise ConnectError("timed out")
        self.connected = True


def hosts(*others: Host) -> Any:
    """lk1, in an inventory with ``others``."""
    first = Host("lk1", connected=True)
    first.inventory.hosts = {host.name: host for host in (first, *others)}
    return first


def place(host: Any, kind: Kind = "peer") -> Any:
    return Vantage(kind, tuple(name for name in host.inventory.hosts if name != "lk1"), "/opt/probe").place(host)


def test_the_controller_is_no_host_and_a_host_is_itself() -> None:
    host = hosts()
    assert place(host, "controller") is None
    assert place(host, "host") is host


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        pytest.param([Host("lk2", connected=True), Host("lk3", connected=True)], "lk2", id="the next"),
        pytest.param([Host("lk2"), Host("lk3", connected=True)], "lk3", id="the next of this run"),
        pytest.param([Host("lk2"), Host("lk3")], "lk2", id="none is of this run"),
        pytest.param([Host("lk2", dead=True), Host("lk3")], "lk3", id="the next is down"),
    ],
)
def test_a_peer_of_this_run_is_preferred_and_another_is_connected_to(others: list[Host], expected: str) -> None:
    found = place(hosts(*others))
    assert (found.name, found.connected) == (expected, True)


def test_no_peer_is_told() -> None:
    with pytest.raises(HostError) as caught:
        place(hosts(Host("lk2", dead=True), Host("lk3", dead=True)))
    assert str(caught.value) == (
        "livekit.probe: no peer of lk1 can be reached (lk2: timed out; lk3: timed out); mend one, or set the probe to "
        "controller or host"
    )
