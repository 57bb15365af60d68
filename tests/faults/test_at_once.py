"""One deploy at a time, and whatever way a run dies, its lock is free."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.calls import witness
from tests.support.hosts.deploys import Deploy, deploy, unchanging
from tests.support.hosts.lab import INVENTORY, lab

FIRST = next(iter(lab().site.hosts))
SOON = 30  # s for a refusal; a deploy that is not refused hangs
_another = itertools.count(600)  # MB: each deploy here has something to do, and it takes no slot


class Busy(NamedTuple):
    """An inventory with another memory limit (MB) for Redis than any before."""

    inventory: Path
    limit: int


@pytest.fixture
def busy(change: Change) -> Busy:
    limit = next(_another)
    return Busy(change({"redis": {"max_memory_mb": limit}}), limit)


@pytest.fixture(autouse=True, scope="module")
def _back() -> Iterator[None]:
    yield
    assert deploy().status == 0


def _begun(inventory: Path, host: Host, *words: str) -> Deploy:
    """A deploy whose command hangs on ``host``."""
    running = Deploy(inventory, *words)
    assert running.until(lambda line: "redis: start " in line), running.lines
    end = time.monotonic() + 10
    while not host.run("pgrep -f '^/bin/sh /usr/local/sbin/systemctl restart'").stdout:
        assert time.monotonic() < end, "the command does not hang"
    return running


def _free(host: Host) -> bool:
    """Whether the deploy lock can be taken."""
    return bool(host.run("flock -n /run/livekit-metal.lock true").rc == 0)


def test_a_second_deploy_is_refused_and_the_first_one_finishes(
    busy: Busy,
    first: Host,
    stuck: Callable[[], None],
    change: Change,
    untouched: AbstractContextManager[None],
) -> None:
    """The first holds one host; the second wants all of them and changes none."""
    running = _begun(busy.inventory, first, "--limit", FIRST)
    since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(running.began))
    with untouched:
        told = Deploy(change({"livekit": {"log_level": "debug"}}, name="second")).end(within=SOON)
    told.refused("another deploy is at work here", f"process {running.process.pid}", f"since {since}")
    stuck()
    ended = running.end()
    assert ended.status == 0, ended.text
    unchanging(busy.inventory)


def test_a_host_is_not_drained_while_somebody_has_the_lock_of_the_site(
    first: Host, site: Site, untouched: AbstractContextManager[None]
) -> None:
    keeper = first.check_output(
        "umask 077; flock /run/livekit-metal.site sleep 60 >/dev/null 2>&1 </dev/null & echo $!"
    )
    try:
        with untouched:
            for plan, word in (("drain", "alone=yes"), ("remove_host", f"remove={FIRST}")):
                told = Deploy(INVENTORY, "--limit", FIRST, "--data", word, plan=f"procedures/{plan}.py").end(
                    within=SOON
                )
                told.refused("lock: /run/livekit-metal.site is held", f"process {keeper} since", "flock")
    finally:
        first.run(f"pkill -P {keeper}; kill {keeper}")


STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -9}


@pytest.mark.parametrize("number", STATUS)
def test_the_lock_is_free_however_a_run_ends(
    number: signal.Signals,
    busy: Busy,
    first: Host,
    stuck: Callable[[], None],
    untouched: AbstractContextManager[None],
) -> None:
    running = _begun(busy.inventory, first)
    assert not _free(first)
    told = running.end(number)
    assert told.status == STATUS[number]
    assert "Traceback" not in told.text
    assert _free(first)
    with untouched:  # its command still runs: nobody else may start
        deploy(busy.inventory).refused(
            "a command of a deploy that died is still running here", f"process {running.process.pid}"
        )
    stuck()
    finished = deploy(busy.inventory)
    assert finished.status == 0, finished.text
    assert witness.redis_limit(first, lab().site) == busy.limit
    unchanging(busy.inventory)


def test_the_lock_is_free_after_a_step_failed(busy: Busy, first: Host, systemctl: Callable[[str], None]) -> None:
    """And what failed is told, and the next run finishes it."""
    systemctl("echo no restart today >&2; exit 1")
    told = deploy(busy.inventory)
    systemctl(":")
    assert told.status == 1
    assert "Traceback" not in told.text
    assert "no restart today" in told.text
    assert _free(first)
    finished = deploy(busy.inventory)
    assert finished.status == 0, finished.text
    unchanging(busy.inventory)
