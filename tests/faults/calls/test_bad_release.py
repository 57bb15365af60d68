"""A release or a configuration that is no good: nothing is changed for anybody, and the reason is told."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.calls.background_call import Talk
from tests.support.calls.rooms import redis
from tests.support.calls.slots import draining, serving
from tests.support.hosts.deploys import deploy, unchanging

CHECKS = 'case "$*" in *ports) echo "TCP Ports"; exit ;; esac\n'  # what the real one says of a good configuration
# The real server, which tells its clients to send media to themselves. (That a firewall is shut does not keep media
# out: the server sends first.)
UNHEARD = """sed 's|"{address}/32"|"127.0.0.0/8"|; s|"node_ip": "{address}"|"node_ip": "127.0.0.1"|' "$2" >/tmp/own.yaml
shift 2; exec {program} --config /tmp/own.yaml --rtc.enable_loopback_candidate "$@"
"""
BAD = {  # what it does, and what the operator is told
    "exits at start": (f"{CHECKS}echo 'cannot go on'\n", "it exits at start"),
    "never gets ready": (f"{CHECKS}exec sleep infinity\n", "answers on port"),
    "carries no media": (f"{CHECKS}{UNHEARD}", "no call gets through slot"),
    "refuses every configuration": ("echo could not parse config: out of spite\n", "out of spite"),
}


@pytest.fixture
def program(first: Host, site: Site) -> str:
    """Path of the real livekit-server on the first host."""
    unit = serving(site, next(iter(site.hosts))).unit
    found: str = first.check_output(f"readlink /proc/$(systemctl show -p MainPID --value {unit})/exe")
    return found


def _nodes(site: Site) -> set[str]:
    """Every node that Redis has ever heard of (the dead are forgotten only when a server starts)."""
    return set(redis(site, "hkeys nodes").split())


@contextmanager
def _no_new_node(site: Site) -> Iterator[None]:
    """Assert that no node appears in Redis meanwhile: without that no room can land on it."""
    before, found, over = _nodes(site), set[str](), threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            found.update(_nodes(site))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    assert found, "nobody looked"
    assert found <= before, f"new nodes appeared: {found - before}"


def _refused(inventory: Path, first: Host, site: Site, talk: Talk, words: tuple[str, ...]) -> None:
    name = next(iter(site.hosts))
    before = serving(site, name)
    with _no_new_node(site):
        told = deploy(inventory)
    assert told.status > 0
    assert "Traceback" not in told.text, told.text
    for word in words:
        assert word in told.text, told.text
    assert serving(site, name) == before, "the old slot serves on"
    assert draining(name) == []
    talk.unnoticed()
    unchanging()


@pytest.fixture(params=BAD)
def bad(request: pytest.FixtureRequest, change: Change, tmp_path: Path, program: str, site: Site) -> tuple[Path, str]:
    """An inventory with a program that is no good, and what the operator should be told."""
    script, why = BAD[request.param]
    address = next(iter(site.hosts.values())).address
    own = tmp_path / "livekit-server"
    own.write_text("#!/bin/sh\n" + script.format(program=program, address=address))
    own.chmod(0o755)
    settings: Mapping[str, Any] = {
        "release": "1.13.5-bad",
        "source": "file",
        "file": str(own),
        "sha256": hashlib.sha256(own.read_bytes()).hexdigest(),
    }
    return change({"livekit": settings}), why


def test_a_bad_release_never_gets_a_room(bad: tuple[Path, str], first: Host, site: Site, talk: Talk) -> None:
    inventory, why = bad
    _refused(inventory, first, site, talk, (why,))


def test_a_configuration_that_the_server_refuses_is_not_started(
    change: Change, first: Host, site: Site, talk: Talk
) -> None:
    inventory = change({"livekit": {"extra": {"room": {"room_configurations": {"mine": {"no_such_key": 1}}}}}})
    _refused(inventory, first, site, talk, ("refuses its configuration", 'unknown field "no_such_key"'))
