"""Broken on purpose, one at a time: the doctor names exactly that cause, and only that."""

from __future__ import annotations

import base64
import dataclasses
import subprocess
from collections.abc import Iterator, Mapping, Sequence

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.site.model import Site
from tests.faults.doctor.breakage import SECOND, Breakage
from tests.faults.doctor.breakages import TABLE
from tests.faults.doctor.shell import SETTLED, filled
from tests.support.hosts.doctor import doctor, failing, laptop
from tests.support.hosts.lab import lab


def hang_up(name: str) -> None:
    """End the connection that the tests share: an earlier one hangs where packets no longer get through."""
    directory = lab().directory
    command = ["ssh", "-F", str(directory / "ssh_config"), "-o", f"ControlPath={directory}/ssh-%C", "-O", "exit", name]
    subprocess.run([*command[:-1], f"root@{name}"], capture_output=True, check=True, timeout=30)


@pytest.fixture(scope="module")
def known(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """What runs a command where the site's names are known, as by its DNS: no resolver knows those of a lab."""
    file = tmp_path_factory.mktemp("names") / "hosts"
    lines = ["127.0.0.1 localhost"]
    for name, host in site.hosts.items():
        for address in host.node_ip.split(","):
            lines.append(f"{address} {site.edge.domain} {site.livekit.turn.name(name)}")
    file.write_text("\n".join([*lines, ""]))
    return ("unshare", "--mount", "sh", "-ec", 'mount --bind "$1" /etc/hosts; shift; exec "$@"', "sh", str(file))


@pytest.fixture(params=TABLE, ids=lambda one: one.name)
def broken(request: pytest.FixtureRequest, site: Site, hosts: Mapping[str, Host]) -> Iterator[Breakage]:
    """The breakage in force; mended afterwards, and seen to be."""
    one: Breakage = request.param
    name, host = list(hosts.items())[one.host]
    for file, text in one.files(site, name).items():
        host.check_output("echo %s | base64 -d >%s", base64.b64encode(text.encode()).decode(), file)
    host.check_output(filled(one.do, site, name))
    hang_up(name)
    try:
        with one.elsewhere(site, name):
            yield one
    finally:
        host.check_output(filled(one.undo, site, name))
        for each_name, each in hosts.items():
            each.check_output(filled(SETTLED, site, each_name))


def test_all_is_well(site: Site, known: Sequence[str]) -> None:
    status, rows = doctor(within=known)
    assert (status, failing(rows)) == (0, [])
    about = {(row["check"], row["about"]) for row in rows}
    everywhere = ("udp", "tcp", "turn-udp", "turn-tls", "turn", "turn-cert", "ipv6", "bus", "closed", "refused")
    assert {(check, host) for host in site.hosts for check in everywhere} <= about
    beside = ("egress", "egress-keys", "ingress", "ingress-keys", "sip", "sip-keys", "kamailio")
    assert {(check, list(site.hosts)[SECOND]) for check in beside} <= about
    assert {("dns", ""), ("tls", ""), ("join", "")} <= about


def test_the_cause_is_named_and_nothing_else(broken: Breakage, site: Site, known: Sequence[str]) -> None:
    status, rows = doctor(within=known)
    check, number = broken.cause
    assert failing(rows) == [(check, list(site.hosts)[number])], "\n".join(
        str(row) for row in rows if row["result"] != "ok"
    )
    (cause,) = (row for row in rows if row["result"] == "failed")
    assert broken.words in cause["said"]
    assert cause["remedy"]
    assert status == 1


def test_a_host_makes_the_calls_too(site: Site, known: Sequence[str]) -> None:
    """From a host that has what it takes: the inventory has base install Python, as ``livekit.probe`` is "host"."""
    first, second = site.hosts
    status, rows = doctor("--data", f"from={second}", within=known)
    inside = {(row["check"], row["about"]): row for row in rows if row["vantage"] == second}
    wanted = [(path, name) for path in ("udp", "tcp") for name in (first, second)]
    assert [inside[each]["result"] for each in wanted] == ["ok"] * 4, [inside[each]["said"] for each in wanted]
    assert status == 0


def test_a_laptop_finds_all_well(access: Access, known: Sequence[str]) -> None:
    status, rows = laptop(access, within=known)
    assert (status, failing(rows)) == (0, [])


def test_a_laptop_with_a_wrong_secret(access: Access) -> None:
    status, rows = laptop(dataclasses.replace(access, api_secret="0" * 40))
    assert set(failing(rows)) == {("join", host) for host in access.hosts}
    assert all("refuses the API key" in row["said"] for row in rows if row["result"] == "failed")
    assert status == 1
