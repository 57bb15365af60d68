"""Broken on purpose, one at a time: the doctor names exactly that cause, and only that."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from procedures.call import Access
from stack.site import Site
from tests.deploys import PYINFRA, Deploy
from tests.faults.conftest import From
from tests.faults.doctor.breakages import SETTLED, TABLE, Breakage, filled
from tests.lab import INVENTORY, ROOT, lab

Rows = list[dict[str, Any]]


def hang_up(name: str) -> None:
    """End the connection that the tests share: one of before hangs where packets of before no longer get through."""
    directory = lab().directory
    command = ["ssh", "-F", str(directory / "ssh_config"), "-o", f"ControlPath={directory}/ssh-%C", "-O", "exit", name]
    subprocess.run([*command[:-1], f"root@{name}"], capture_output=True, check=True, timeout=30)


def doctor(*words: str, inventory: str | Path = INVENTORY) -> tuple[int, Rows]:
    """pyinfra's form: exit status and rows."""
    command = [str(PYINFRA), str(inventory), "procedures/doctor.py", "--data", "json=yes", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=400)
    return done.returncode, _rows(done.stdout, done.stderr)


def laptop(access: Access, tmp_path: Path) -> tuple[int, Rows]:
    """The form for who has a file with URL and keys."""
    file = tmp_path / "access.json"
    file.write_text(json.dumps(dataclasses.asdict(access)))
    command = [sys.executable, "-m", "procedures.doctor", "--access", str(file), "--json"]
    environment = {k: v for k, v in os.environ.items() if k not in ("LAB", "INVENTORY")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=400)
    return done.returncode, _rows(done.stdout, done.stderr)


def _rows(said: str, why: str) -> Rows:
    lines = [line for line in said.splitlines() if line.startswith('{"time"')]
    assert len(lines) == 1, said + why
    rows: Rows = json.loads(lines[0])["rows"]
    return rows


def failing(rows: Rows) -> list[tuple[str, str]]:
    return [(row["check"], row["about"]) for row in rows if row["result"] in ("failed", "unknown")]


@pytest.fixture(params=TABLE, ids=lambda one: one.name)
def broken(request: pytest.FixtureRequest, site: Site, hosts: Mapping[str, Host]) -> Iterator[Breakage]:
    """The breakage in force; mended afterwards, and seen to be."""
    one: Breakage = request.param
    name, host = list(hosts.items())[one.host]
    host.check_output(filled(one.do, site))
    hang_up(name)
    try:
        yield one
    finally:
        host.check_output(filled(one.undo, site))
        for each in hosts.values():
            each.check_output(filled(SETTLED, site))


def test_all_is_well(site: Site) -> None:
    status, rows = doctor()
    assert (status, failing(rows)) == (0, [])
    about = {(row["check"], row["about"]) for row in rows}
    assert {(check, host) for host in site.hosts for check in ("udp", "tcp", "bus", "closed")} <= about


def test_the_cause_is_named_and_nothing_else(broken: Breakage, site: Site) -> None:
    status, rows = doctor()
    check, number = broken.cause
    assert failing(rows) == [(check, list(site.hosts)[number])], "\n".join(
        str(row) for row in rows if row["result"] != "ok"
    )
    (cause,) = (row for row in rows if row["result"] == "failed")
    assert broken.words in cause["said"]
    assert cause["remedy"]
    assert status == 1


def test_a_host_makes_the_calls_too(site: Site, probing: From) -> None:
    """From a host that has what it takes: base installs Python where livekit.probe wants calls from hosts."""
    inventory, (first, second) = probing("host"), site.hosts
    assert Deploy(inventory).end(within=300).status == 0  # packages, and the program that makes calls
    status, rows = doctor("--data", f"from={second}", inventory=inventory)
    inside = {(row["check"], row["about"]): row["result"] for row in rows if row["vantage"] == second}
    wanted = [(path, name) for path in ("udp", "tcp") for name in (first, second)]
    assert [inside.get(each) for each in wanted] == ["ok"] * 4, rows
    assert status == 0


def test_a_laptop_finds_all_well(access: Access, tmp_path: Path) -> None:
    status, rows = laptop(access, tmp_path)
    assert (status, failing(rows)) == (0, [])


def test_a_laptop_with_a_wrong_secret(access: Access, tmp_path: Path) -> None:
    status, rows = laptop(dataclasses.replace(access, api_secret="0" * 40), tmp_path)
    assert set(failing(rows)) == {("join", host) for host in access.hosts}
    assert all("refuses the API key" in row["said"] for row in rows if row["result"] == "failed")
    assert status == 1
