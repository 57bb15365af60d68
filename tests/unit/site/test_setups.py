"""The inventories of docs/setups are whole ones: each loads as an operator's would, and is what its page says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from docs.snippets import filled
from livekit_metal.core.ports import Proto, Reach, merged
from livekit_metal.site import inventory
from livekit_metal.site.model import Site

SETUPS = Path(__file__).parents[3] / "docs/setups"
RECIPES = SETUPS.parent / "proxies"
PAGES = sorted(SETUPS.glob("*.md"))


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Site]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def made(name: str) -> Site:
        return inventory.read(Path(shutil.copy(SETUPS / f"{name}.py", tmp_path)))

    return made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_a_whole_inventory(page: Path, setup: Callable[[str], Site]) -> None:
    shown = re.findall(r"^<!-- ([a-z_]+)\.py: generated -->$", page.read_text(), re.MULTILINE)
    assert shown
    assert filled(page) == page.read_text()
    for name in shown:
        assert setup(name).hosts


def test_every_inventory_is_shown() -> None:
    text = "".join(page.read_text() for page in PAGES)
    for file in SETUPS.glob("*.py"):
        assert f"<!-- {file.name}: generated -->" in text


def test_matrix_has_one_name_for_both_and_keeps_out_of_coturns_way(setup: Callable[[str], Site]) -> None:
    site = setup("matrix")
    edge, livekit = site.edge, site.livekit
    assert (edge.domain, edge.path_prefix) == ("matrix-rtc.example.org", "/livekit/sfu")
    assert edge.backends["jwt"].paths == ("/livekit/jwt",)
    assert edge.backends["jwt"].strip
    assert not livekit.room.auto_create
    (webhook,) = livekit.webhooks
    assert webhook == f"http://{edge.backends['jwt'].server}/sfu_webhook"
    theirs = {opening.port for opening in site.firewall.open if opening.port}
    for port in site.ports("lk1"):
        assert not any(port.range.overlaps(each) for each in theirs), f"{port} is coturn's"


@pytest.mark.parametrize("name", ["home", "private"])
def test_what_is_to_be_forwarded_is_what_the_host_takes_from_everybody(setup: Callable[[str], Site], name: str) -> None:
    site, page = setup(name), (SETUPS / f"{name}.md").read_text()
    for proto in Proto:
        ranges = merged(p.range for p in site.ports("lk1") if p.proto is proto and p.reach is Reach.PUBLIC)
        rows = re.findall(rf"^\| {proto.upper()} \| (\S+) \|", page, re.MULTILINE)
        in_words = re.findall(rf"{proto.upper()} ([0-9, -]+)[;|]?", page.partition("## At the border")[2])
        said = rows or [each for each in in_words[0].strip().split(", ") if each]
        assert said == [str(each) for each in ranges]


def test_at_home_the_address_is_asked_for_and_told_beside_the_hosts_own(
    setup: Callable[[str], Site], tmp_path: Path
) -> None:
    assert setup("home").hosts["lk1"].discovered
    (tmp_path / "home.addresses").write_text('{"lk1": "203.0.113.7"}')
    host = setup("home").hosts["lk1"]
    assert (host.public, host.inside) == ("203.0.113.7", True)


def test_in_a_private_network_the_recorder_comes_to_the_inside_address(setup: Callable[[str], Site]) -> None:
    site = setup("private")
    own = site.for_host("lk1").livekit.own_config("a")
    assert own["rtc"]["advertise_internal_ip"]
    assert own["rtc"]["node_ip"] == "203.0.113.11"
    assert site.hosts["rec1"].public_address == "10.10.0.21"
    assert not [port for port in site.ports("rec1") if port.reach is Reach.PUBLIC]


def test_the_recipes_lead_to_what_an_own_proxy_finds(setup: Callable[[str], Site]) -> None:
    site = setup("own_proxy")
    edge, turn = site.edge, site.livekit.turn.name("lk1")
    ours = {port.name: port for port in site.ports("lk1") if port.owner == "edge"}
    assert ours["http"].reach is ours["turn"].reach is Reach.LOCAL
    nginx = (RECIPES / "nginx.conf").read_text()
    assert f"server_name {edge.domain};" in nginx
    assert re.search(rf"^\s+{re.escape(turn)} 127\.0\.0\.1:\d+;$", nginx, re.MULTILINE)
    for lead in (f"proxy_pass http://127.0.0.1:{edge.http};", f"proxy_pass 127.0.0.1:{edge.turn};"):
        assert lead in nginx
    assert edge.turn_proxy_protocol
