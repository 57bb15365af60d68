"""Broken on purpose, one at a time: the doctor names exactly that cause, and only that."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator, Mapping

import pytest
from testinfra.host import Host

from procedures.call import Access
from stack.site import Site
from tests.deploys import Deploy
from tests.doctors import doctor, failing, laptop
from tests.faults.conftest import From
from tests.faults.doctor.breakages import SETTLED, TABLE, Breakage, filled
from tests.lab import lab


def hang_up(name: str) -> None:
    """End the connection that the tests share: one of before hangs where packets of before no longer get through."""
    directory = lab().directory
    command = ["ssh", "-F", str(directory / "ssh_config"), "-o", f"ControlPath={directory}/ssh-%C", "-O", "exit", name]
    subprocess.run([*command[:-1], f"root@{name}"], capture_output=True, check=True, timeout=30)


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
    assert {(check, host) for host in site.hosts for check in ("udp", "tcp", "bus", "closed", "refused")} <= about


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


def test_a_laptop_finds_all_well(access: Access) -> None:
    status, rows = laptop(access)
    assert (status, failing(rows)) == (0, [])


def test_a_laptop_with_a_wrong_secret(access: Access) -> None:
    status, rows = laptop(dataclasses.replace(access, api_secret="0" * 40))
    assert set(failing(rows)) == {("join", host) for host in access.hosts}
    assert all("refuses the API key" in row["said"] for row in rows if row["result"] == "failed")
    assert status == 1
