"""Addresses that change (public: discover): found from the host, kept, said; as before where nothing has changed."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.exceptions import PyinfraError

from livekit_metal.core.check_result import Result
from livekit_metal.core.errors import SiteError
from livekit_metal.roles.livekit import doctor
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.runtime.discovery import addresses as discovery
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site import addresses, inventory, loading
from livekit_metal.site.model import Site
from tests.support.network.stun import mapped, server
from tests.support.values.sites import CLUSTER

AT_HOME = copy.deepcopy(CLUSTER)
AT_HOME["hosts"]["lk1"] |= {"public": "discover", "stun": ["192.0.2.1:3478", "192.0.2.2:3478"]}


def asked(*servers: str) -> dict[str, str]:
    text = discovery.question("127.0.0.1", servers)
    return discovery.seen_by(subprocess.check_output(["sh", "-c", text], text=True).splitlines())


def test_a_host_asks_each_server_and_takes_answers_to_its_own_question_alone() -> None:
    def strange(request: bytes) -> bytes:
        return mapped(request[:8] + bytes(12), "203.0.113.66")  # an answer to somebody else

    def cut(request: bytes) -> bytes:
        return mapped(request, "203.0.113.66")[:-3]

    with server(lambda r: mapped(r, "203.0.113.7")) as good, server(strange, cut, strange) as bad:
        assert asked(good, bad) == {good: "203.0.113.7"}
    with server(cut, lambda r: mapped(r, "203.0.113.8")) as later:
        assert asked(later) == {later: "203.0.113.8"}, "it asks again"


def test_nothing_answers_is_no_address() -> None:
    with server() as silent:
        assert asked(silent, "nobody.invalid:3478") == {}


def load(tmp_path: Path, data: dict[str, Any] | None = None) -> Site:
    return loading.load(data or AT_HOME, "home", tmp_path)


def config(site: Site) -> dict[str, Any]:
    return site.for_host("lk1").the(Livekit).config("a")


def node_ip(site: Site, host: str = "lk1") -> str:
    return str(site.for_host(host).the(Livekit).config("a")["rtc"]["node_ip"])


def test_what_is_kept_is_told_and_nothing_else_changes(tmp_path: Path) -> None:
    before = load(tmp_path)
    assert before.hosts["lk1"].discovered
    assert node_ip(before) == "192.0.2.11", "its own, until a deploy has asked"
    addresses.keep(tmp_path / "home.secrets", {"lk1": "203.0.113.7"})
    site = load(tmp_path)
    assert node_ip(site) == "203.0.113.7"
    turn = site.for_host("lk2").the(Livekit).config("a")["turn"]
    site.opened.persist()
    assert not [n for n in turn["deny_peer_cidrs"] if n.startswith("203.0.113.7")], "relays of all nodes lead there"
    kept = (tmp_path / "home.addresses").read_bytes()
    addresses.keep(tmp_path / "home.secrets", {"lk1": "203.0.113.7"})
    assert (tmp_path / "home.addresses").read_bytes() == kept
    assert config(load(tmp_path)) == config(load(tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", '{"lk1": "lk.example.org"}', '{"lk1": 7}'])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "home.addresses").write_text(text)
    with pytest.raises(SiteError, match=r"home\.addresses: has no addresses of hosts in it; remove it: "):
        load(tmp_path)


@dataclass(frozen=True)
class Place:
    """A host of a run of pyinfra's."""

    name: str
    connected: bool = True


@dataclass
class Deploys:
    """Deploys of the site of ``AT_HOME``; ``sees`` is what each server tells the host."""

    directory: Path
    monkeypatch: pytest.MonkeyPatch
    sees: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    here: bool = True

    def run(self) -> Site:
        """A deploy, as far as addresses go, whose plan changes something on a host."""
        state, first = type("State", (), {})(), list[Callable[[], None]]()
        state.inventory = [Place("lk1", connected=self.here), Place("lk2")]
        inventory.load(AT_HOME, str(self.directory / "home.py"))
        self.monkeypatch.setattr(discovery, "read", self._read)
        self.monkeypatch.setattr(discovery, "before_first_change", first.append)
        with discovery.ctx_state.use(state):
            site = discovery.current()
            assert discovery.current() is inventory.current(), "each host of a run takes the same"
        for action in (*first, site.opened.persist):
            action()
        return site

    def _read(self, place: Place, _: str, **__: object) -> str:
        self.asked += 1
        if not self.sees:
            raise HostError("nobody")
        return "".join(f"{server} {address}\n" for server, address in self.sees.items())

    @property
    def kept(self) -> dict[str, str]:
        path = self.directory / "home.addresses"
        return dict(json.loads(path.read_text())) if path.exists() else {}


@pytest.fixture
def deploys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deploys:
    return Deploys(tmp_path, monkeypatch)


def test_a_deploy_asks_once_says_it_and_keeps_it(deploys: Deploys) -> None:
    deploys.sees = {"192.0.2.1:3478": "203.0.113.7", "192.0.2.2:3478": "-"}
    site = deploys.run()
    assert (node_ip(site), deploys.kept, deploys.asked) == ("203.0.113.7", {"lk1": "203.0.113.7"}, 1)
    assert [str(word) for word in site.words] == [
        "hosts.lk1.public: is 203.0.113.7; clients are told so from this deploy on; have names lead there"
    ]
    assert list(site.for_host("lk1").preflight.words) == list(site.words)  # type: ignore[attr-defined]


def test_the_same_address_again_is_no_change(deploys: Deploys) -> None:
    deploys.sees = {"192.0.2.1:3478": "203.0.113.7"}
    before = config(deploys.run())
    site = deploys.run()
    assert site.words == ()
    assert config(site) == before


def test_another_address_is_another_configuration(deploys: Deploys) -> None:
    """So it goes through slots, as every change: who talks goes on in the previous slot."""
    deploys.sees = {"192.0.2.1:3478": "203.0.113.7"}
    deploys.run()
    deploys.sees = {"192.0.2.1:3478": "203.0.113.8", "192.0.2.2:3478": "203.0.113.8"}
    site = deploys.run()
    assert node_ip(site) == "203.0.113.8"
    assert "hosts.lk1.public: is 203.0.113.8, and was 203.0.113.7" in str(site.words[0])
    assert deploys.kept == {"lk1": "203.0.113.8"}


def test_one_server_of_two_changes_nothing(deploys: Deploys) -> None:
    """Who drops the other's answer would say where the site's media goes."""
    deploys.sees = {"192.0.2.1:3478": "203.0.113.7", "192.0.2.2:3478": "203.0.113.7"}
    deploys.run()
    deploys.sees = {"192.0.2.2:3478": "203.0.113.8"}
    site = deploys.run()
    assert node_ip(site) == "203.0.113.7"
    assert "is 203.0.113.8 for 192.0.2.2:3478, of 192.0.2.1:3478, 192.0.2.2:3478: 203.0.113.7 is kept" in str(
        site.words[0]
    )
    assert deploys.kept == {"lk1": "203.0.113.7"}


@pytest.mark.parametrize("said", ["127.0.0.1", "0.0.0.0", "224.0.0.1", "169.254.1.1", "::1", "ff02::1", "fe80::1"])
def test_what_leads_to_no_host_is_no_answer(said: str) -> None:
    assert discovery.seen_by([f"192.0.2.1:3478 {said}"]) == {}


@pytest.mark.parametrize("here", [True, False], ids=["no server answers", "the host is not in the run"])
def test_what_was_known_is_kept_where_nobody_tells(deploys: Deploys, *, here: bool) -> None:
    deploys.sees = {"192.0.2.1:3478": "203.0.113.7"}
    deploys.run()
    deploys.sees, deploys.here = {}, here
    site = deploys.run()
    assert node_ip(site) == "203.0.113.7"
    assert "could not be asked for (of 192.0.2.1:3478, 192.0.2.2:3478): 203.0.113.7 is kept" in str(site.words[0])


def test_without_any_answer_the_first_deploy_is_refused(deploys: Deploys) -> None:
    with pytest.raises(PyinfraError) as caught:
        deploys.run()
    assert str(caught.value) == (
        "hosts.lk1.public: is discover, and no server has answered: 192.0.2.1:3478, 192.0.2.2:3478; let lk1 send UDP "
        "there, name others in hosts.lk1.stun, or write the address"
    )
    assert deploys.kept == {}


def test_servers_that_differ_are_refused(deploys: Deploys) -> None:
    deploys.sees = {"192.0.2.1:3478": "203.0.113.7", "192.0.2.2:3478": "203.0.113.8"}
    with pytest.raises(PyinfraError, match=r"servers differ: 192.0.2.1:3478 sees 203.0.113.7, 192.0.2.2:3478 sees"):
        deploys.run()


def test_what_the_site_cannot_be_with_is_refused(deploys: Deploys) -> None:
    deploys.sees = {"192.0.2.1:3478": "192.0.2.12"}  # that of lk2
    with pytest.raises(PyinfraError, match=r"192\.0\.2\.12 is also that of lk1; give each its own"):
        deploys.run()
    assert deploys.kept == {}


def test_the_doctor_says_when_it_is_no_longer_true(tmp_path: Path) -> None:
    addresses.keep(tmp_path / "home.secrets", {"lk1": "203.0.113.7"})
    stack = load(tmp_path).for_host("lk1")
    own = stack.the(Livekit)
    (query,) = doctor.needs(own).queries
    assert query == ("doctor.outside", discovery.question("192.0.2.11", ("192.0.2.1:3478", "192.0.2.2:3478")))

    def row(*lines: str) -> tuple[Result, str]:
        (found,) = doctor.checks(stack, own, HostState(answers={"doctor.outside": list(lines)}, asked=0, answered=0))
        return found.result, found.said

    assert row("192.0.2.1:3478 203.0.113.7", "192.0.2.2:3478 -") == (Result.OK, "still 203.0.113.7")
    assert row("192.0.2.1:3478 203.0.113.9") == (
        Result.FAILED,
        "the address outside is 203.0.113.9 now, and clients are told 203.0.113.7",
    )
    assert row("192.0.2.1:3478 -")[0] is Result.UNKNOWN
    assert not doctor.needs(load(tmp_path).for_host("lk2").the(Livekit)).queries, "of the others nobody is asked"
