"""A deploy of what is deployed already: it looks once, changes nothing, and tells no secret."""

from __future__ import annotations

import re
import subprocess
from collections import Counter

import pytest

from livekit_metal.site.model import Site
from tests.support.calls import witness
from tests.support.hosts.deploys import PYINFRA, outcome
from tests.support.hosts.lab import INVENTORY, ROOT, over_ssh

OPERATIONS = 12  # for one host in a whole deploy: pyinfra spends 1.5 ms on each


def pyinfra(*words: str) -> str:
    """Everything that a run prints; it must succeed."""
    done = subprocess.run([PYINFRA, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_second_deploy_changes_nothing(site: Site) -> None:
    with witness.untouched({name: over_ssh(name) for name in site.hosts}, site):
        results, _ = outcome()
    busy = {o["name"]: o["success"] + o["error"] for o in results["operations"] if o["success"] or o["error"]}
    assert busy == {}
    assert results["totals"]["success"] == results["totals"]["error"] == 0


def test_a_deploy_is_a_dozen_operations_at_most(site: Site) -> None:
    operations = outcome()[0]["operations"]
    count = Counter(host for o in operations for host in (*o["success"], *o["error"], *o["no_change"]))
    assert set(count) == set(site.hosts), "else nothing was counted"
    assert max(count.values()) <= OPERATIONS, [o["name"] for o in operations]


def test_a_deploy_with_nothing_to_do_looks_at_each_host_once(site: Site) -> None:
    """pyinfra's own debug log has a line for each command (but the lock, which is a session that stays open)."""
    said = pyinfra("-y", "--debug", INVENTORY, "deploy.py")
    looks = Counter(re.findall(r"Running command on (\S+):", said))
    assert looks == dict.fromkeys(site.hosts, 1)


def test_a_dry_run_changes_nothing(site: Site) -> None:
    with witness.untouched({name: over_ssh(name) for name in site.hosts}, site):
        pyinfra("--dry", INVENTORY, "deploy.py")


@pytest.mark.parametrize(
    "words",
    [
        ("debug-inventory",),
        ("--json", "debug-inventory"),
        ("--dry", "--debug-operations", "deploy.py"),
        ("-y", "-vvv", "--debug", "--diff", "deploy.py"),
        ("-y", "--json", "deploy.py"),
    ],
    ids=" ".join,
)
def test_what_pyinfra_prints_holds_no_secret(words: tuple[str, ...], site: Site) -> None:
    """With nothing to change; tests/faults has the same for a deploy that writes every file."""
    assert site.vault is not None
    options, rest = [w for w in words if w.startswith("-")], [w for w in words if not w.startswith("-")]
    said = pyinfra(*options, INVENTORY, *rest)
    assert next(iter(site.hosts)) in said, "it did not say anything"
    for secret in site.vault.every_value():
        assert secret not in said
