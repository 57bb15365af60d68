"""The inventories of docs/setups are whole ones: each loads as an operator's would, and is what its page says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from docs.snippets import filled
from livekit_metal.core.ports import Reach
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
