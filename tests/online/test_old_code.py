"""An update of libraries under a call: a deploy brings every daemon to the new code, and the call does not notice.

The libraries are replaced as dpkg does it, by files of the same content: nothing but the inode is another.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.report import Report
from tests.support.calls.background_call import talking, unnoticed
from tests.support.calls.slots import serving
from tests.support.hosts.deploys import deploy
from tests.support.hosts.lab import INVENTORY, Lab, lab, over_ssh
from tests.support.hosts.status import status

FIRST = next(name for name, host in lab().site.hosts.items() if "redis" in host.roles)
_REPLACE = r"""set -eu
for f in /usr/lib/*-linux-gnu/libc.so.6 /usr/lib/*-linux-gnu/libssl.so.3; do
  cp -p "$f" "$f.dpkg-new"; mv -f "$f.dpkg-new" "$f"
done"""
# The witness: what is mapped by the main process of each daemon and is gone.
_OLD = r"""for u in $(systemctl list-units --plain --no-legend --state=active 'livekit-*.service' | cut -d ' ' -f 1); do
  pid=$(systemctl show -p MainPID --value "$u"); [ "$pid" != 0 ] || continue
  if grep -q 'lib\(c\|ssl\)\.so.*(deleted)' "/proc/$pid/maps"; then echo "$u"; fi
done"""


@dataclass(frozen=True)
class Seen:
    before: set[str]  # units whose main process ran old code once the libraries were replaced
    told: set[str]  # of which status said so
    after: set[str]
    said: str  # by the deploy
    again: str
    reports: tuple[Report, Report]


@pytest.fixture(scope="module")
def seen(access: Access, control: Access, lab: Lab) -> Seen:
    host, old = over_ssh(FIRST), serving(lab.site, FIRST)
    with talking(access, control, old.node, FIRST) as talk:
        host.check_output(_REPLACE)
        before = set(host.check_output(_OLD).split())
        told = set(json.loads(status(INVENTORY, "--data", "json=yes").text)["hosts"][FIRST]["old_code"])
        first = deploy(INVENTORY)
        assert first.status == 0, first.text
        after = set(host.check_output(_OLD).split())
        again = deploy(INVENTORY)
        reports = talk.stop()
    return Seen(before, told, after, first.text, again.text, reports)


def test_everything_with_the_libraries_was_seen(seen: Seen) -> None:
    assert {"livekit-edge.service", "livekit-redis.service"} <= seen.before
    assert seen.before <= seen.told


def test_nothing_runs_old_code_but_slots(seen: Seen) -> None:
    assert {unit for unit in seen.after if "@" not in unit} == set()
    assert seen.after == {unit for unit in seen.before if "@" in unit}, "they get a new process when it is asked for"
    assert "edge reloaded" in seen.said
    assert "redis restarted" in seen.said


def test_the_next_deploy_has_nothing_to_do(seen: Seen) -> None:
    assert "unchanged" in seen.again


def test_the_call_did_not_notice(seen: Seen) -> None:
    unnoticed(*seen.reports)
