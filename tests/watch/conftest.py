"""A lab of inventories/lab_everything.py under load, and what its Prometheus returns meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import pictures
from lab.run import wait_until
from livekit_metal.call.access import Access
from livekit_metal.roles.egress.settings import Settings as Egress
from livekit_metal.roles.kamailio.settings import Settings as Kamailio
from livekit_metal.roles.sip.settings import Settings as Sip
from tests.faults.alerts.people import listening
from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.hosts.deploys import Deploy, variant
from tests.support.hosts.lab import INVENTORY, lab, over_ssh
from tests.watch.answers import Answers
from tests.watch.load import Ground, Load
from tests.watch.queries import EXCEPTIONS, OF_STAND_INS, Query, queries

HOST = next(iter(lab().site.hosts))
RETURNS = 420.0  # s until every query has data: rules hold for a minute, calls have to end, Prometheus to ask twice
BEGINS = 120.0  # s until the call is up that drains
DEPLOYS = 400.0  # s, beside all of this
FAILED = "livekit-watch-failed"
LOSES = 2  # % of packets of every call, both ways: less is not always asked for again


def stand_ins() -> list[str]:
    """Which of the daemons are none."""
    programs = {"egress": lab().site.of(Egress).file, "livekit-sip": lab().site.of(Sip).file}
    return [
        name
        for name, file in programs.items()
        if "standin" in subprocess.run([file, "--version"], capture_output=True, text=True, check=True).stdout
    ]


STAND_INS = stand_ins()
LOADS: list[str] = []  # what came and went in the run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", type=Path, metavar="FOLDER", help="draw every dashboard under the load")
    parser.addoption("--ago", type=float, default=0.0, metavar="MINUTES", help="no load: ask of the time since then")
    parser.addoption("--minutes", type=float, default=12.0, help="of load that pictures show")


def pytest_report_header() -> str:
    what = f"STAND-INS: {', '.join(STAND_INS)}, whose queries prove nothing" if STAND_INS else "all daemons are real"
    return f"lab: {lab().directory}, site: {INVENTORY}, {what}"


def proved(query: Query) -> bool:
    """Whether what answers is a real daemon."""
    return not (STAND_INS and any(name.startswith(OF_STAND_INS) for name in query.selectors.values()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much of the load there was."""
    for line in LOADS:
        terminalreporter.write_line(line)


@contextlib.contextmanager
def lossy() -> Iterator[None]:
    """Ways of every call between this machine and the lab, that lose packets."""
    ports, table = lab().site.livekit.media_udp, f"watch_{lab().directory.name.strip('.').replace('-', '_')}"
    loses = f"numgen random mod 100 < {LOSES} drop"
    chain = "chain {0} {{ type filter hook {0} priority 0; ip {1} {2} udp {3} {4} {5}; }};"
    at = lab().site.hosts[HOST].address
    rules = chain.format("output", "daddr", at, "dport", ports, loses)
    rules += chain.format("input", "saddr", at, "sport", ports, loses)
    subprocess.run(["nft", f"table inet {table} {{ {rules} }}"], check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", table], check=True)


@contextlib.contextmanager
def events(directory: Path) -> Iterator[None]:
    """What else there is to see: a service that fails, one that comes back, a deploy, a slot that drains."""
    host = over_ssh(HOST)
    host.check_output(f"systemd-run -q --unit={FAILED} /bin/false")
    host.check_output("systemctl kill -s KILL livekit-redis-exporter")
    other = {"livekit": {"room": {"empty_timeout": 200 + int(time.time()) % 90}}}  # than a run that was killed has left
    try:
        told = Deploy(variant(directory, other)).end(within=DEPLOYS)
        assert told.status == 0, told.text
        yield
    finally:
        host.run(f"systemctl reset-failed {FAILED}")
        Deploy().end(within=DEPLOYS)


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    """Everything at once, for as long as tests ask."""
    directory, kamailio = tmp_path_factory.mktemp("load"), lab().site.for_host(HOST).the(Kamailio)
    ground = Ground(
        access=Access.load(lab().directory / "access.json"),
        phones=f"{kamailio.address}:{kamailio.port}",
        gateway=lab().facts["gateway"],
        directory=directory,
        real=not STAND_INS,
    )
    made = Load(ground)
    with listening(ground.gateway), lossy():
        asyncio.run(made.start())
        try:
            wait_until(lambda: made.begun["call, staying"], BEGINS, every=0.5)  # what holds a slot that drains
            with events(directory):
                yield made
        finally:
            LOADS.extend([f"begun: {dict(made.begun)}", *(f"failed: {failure}" for failure in made.failures)])
            asyncio.run(made.stop())


@pytest.fixture(scope="session")
def answers(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Iterator[Answers]:
    """What Prometheus returned, once every query has data that is to have some, or the time for that is over."""
    ago = pytestconfig.getoption("--ago")
    if not ago:
        request.getfixturevalue("load")
    began = time.time()
    with pictures.tunnel(HOST, lab().site.prometheus.port.first) as base:
        found = Answers(base, since=began - 60 * ago)
        expected = [query for query in queries() if proved(query)]
        within = 0 if ago else RETURNS
        wait_until(lambda: not any(set(found.silent(query)) - {*EXCEPTIONS} for query in expected), within, every=5)
        if folder := pytestconfig.getoption("--pictures"):
            minutes = pytestconfig.getoption("--minutes")
            wait_until(lambda: time.time() > began + 60 * minutes, 0 if ago else 60 * minutes, every=5)
            pictures.draw(folder, pictures.Prometheus(base, minutes))
        yield found
