"""The rows of tests/upgrade, and the page that is written of them."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable
from typing import Any

from livekit_metal.core.ports import PortRange
from livekit_metal.site.model import Site
from tests.support.values.sites import CLUSTER
from tests.upgrade import document, judge
from tests.upgrade.ground import Ground
from tests.upgrade.judge import Outcome
from tests.upgrade.rows import PORTS, ROWS, Settings, holds


def ports(site: Site) -> dict[tuple[str, str], PortRange]:
    return {(p.owner, p.name): p.range for name in site.hosts for p in site.ports(name)}


def test_every_port_is_moved(make_site: Callable[[dict[str, Any]], Site]) -> None:
    before = ports(make_site(copy.deepcopy(CLUSTER)))
    after = ports(make_site(copy.deepcopy(CLUSTER) | copy.deepcopy(dict(PORTS))))
    stays = {name for name, range_ in before.items() if range_.overlaps(after[name])}
    assert stays == {("firewall", "ssh")}


def test_a_row_can_be_named() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)


def test_a_row_that_deploys_changes_something_wherever_it_begins() -> None:
    """Alone, or after the rows before it: what is there already would be no change."""
    for hosts in (1, 3):
        now: Settings = {}
        for row in (row for row in ROWS if hosts in row.hosts):
            now = row.begins(now)
            by_deploy = row.do is Ground.become
            for before in (now, row.base):
                assert (row.after(before) != before) == by_deploy, f"{row.name} on {hosts}"
            now = row.after(now)


def test_what_a_site_must_have_is_looked_for_at_any_depth() -> None:
    there = {"edge": {"tls": "internal", "https": 443}, "livekit": {"release": "1.13.4"}}
    assert holds(there, {})
    assert holds(there, {"edge": {"tls": "internal"}})
    assert not holds(there, {"edge": {"tls": "acme"}})
    assert not holds(there, {"edge": {"domain": "example.org"}})


SITE = document.Site("Debian 12", "haproxy 2.6.12-1+deb12u3, redis-server 5:7.0.15-1~deb12u5", "1.13.5")


def part(size: int, change: str) -> str:
    return document.part(size, [Outcome(change=change, hosts=str(size), skipped="there is none yet")], SITE)


def test_the_page_has_the_table_and_lines_that_fit() -> None:
    outcomes = [Outcome(change="rollback", hosts="1", skipped="there is none yet")]
    page = document.text({1: document.part(1, outcomes, SITE)})
    assert judge.markdown(outcomes) in page
    assert not re.search(r"[{}]", page)
    assert all(len(line) <= 120 for line in page.splitlines() if not line.startswith("|"))


def test_a_size_that_was_not_measured_keeps_its_part() -> None:
    both = {1: part(1, "rollback"), 3: part(3, "config change")}
    assert document.parts(document.text(both)) == both
    assert document.parts(document.text({3: both[3]})) == {3: both[3]}


def test_a_row_that_is_measured_again_takes_the_place_of_its_own() -> None:
    first, second = (Outcome(change=change, hosts="3", skipped="not yet") for change in ("rollback", "growth"))
    before = document.part(3, [first, dataclasses.replace(first, path="tcp"), second], SITE)
    now = dataclasses.replace(first, skipped="")
    after = document.again(before, [now, now]).splitlines()
    assert [line for line in after if line.startswith("| ")][2:] == judge.markdown(
        [now, now, dataclasses.replace(first, path="tcp"), second]
    ).splitlines()[2:]
    assert sum(line.startswith("- measured again on 2") and "rollback (any way)" in line for line in after) == 1
    assert document.parts(document.text({3: "\n".join(after) + "\n"}))[3].splitlines() == after
