"""Another certificate while people talk, on every host at once; and a server that does not answer."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.report import Event, Report
from tests.acme.conftest import Deployed, MakeSite
from tests.acme.served import lead, names_of, served
from tests.support.calls.background_call import unnoticed
from tests.support.calls.slots import serving
from tests.support.calls.turn import Client, Servers, told
from tests.support.fired import ALWAYS, OF_OTHERS, fired_since, pages
from tests.support.hosts.deploys import Deploy, Told, deploy
from tests.support.hosts.lab import Lab, lab
from tests.support.hosts.outside import Calling, where_names_lead
from tests.support.programs.pebble import Pebble, running

FIRST = lab().site.with_role("livekit")[0]
SECONDS = 300  # at most, of a call: longer than renewals on all hosts take on a busy machine


def renewed(acme: Deployed) -> Told:
    return Deploy(acme.inventory, plan="procedures/renew.py").end()


def public(acme: Deployed, root: Path) -> dict[str, str]:
    """The key that each host shows now."""
    return {host: served(acme.site, host, acme.site.edge.domain, root).public for host in acme.site.hosts}


@pytest.fixture
def namespace(lab: Lab, acme: Deployed) -> Iterator[str]:
    """A stranger's network, where the site's name leads to its first host, and TURN's names each to its own."""
    site = acme.site
    names = {name: at.public_address for host, at in site.hosts.items() for name in names_of(site, host)}
    names |= {"localhost.lab": "127.0.0.1", site.edge.domain: site.hosts[FIRST].public_address}
    with where_names_lead(lab, names) as name:
        yield name


@pytest.fixture
def access(lab: Lab, acme: Deployed) -> Access:
    """As a client of the site comes in: by its name, over 443."""
    found = Access.of(acme.site)
    assert found.url == f"wss://{acme.site.edge.domain}{acme.site.edge.url_suffix}"
    return found


@contextlib.contextmanager
def relay(acme: Deployed, host: str, servers: Servers) -> Iterator[Client]:
    """A client of TURN over TLS on 443 of ``host``, with a relay of its own."""
    site = acme.site
    trusted, name = ssl.create_default_context(cafile=str(site.ca_file)), site.livekit.turn.name(host)
    with (
        socket.create_connection((site.hosts[host].public_address, 443), timeout=5) as plain,
        trusted.wrap_socket(plain, server_hostname=name) as link,
    ):
        client = Client(link, servers.username, servers.credential)
        assert not isinstance(client.allocate(), int)
        yield client


def reported(said: dict[str, object]) -> Report:
    """What ``python -m tests.paths`` says, as its own kind again."""
    known = {field.name for field in fields(Report)}
    assert known <= said.keys(), said
    return Report(
        **{k: v for k, v in said.items() if k in known} | {"events": tuple(Event(**e) for e in said["events"])}
    )


def test_a_renewal_on_every_host_is_not_noticed_by_those_who_talk(
    acme: Deployed, access: Access, control: Access, namespace: str, pebble: Pebble
) -> None:
    """Signalling by wss on 443, media by TURN over TLS on 443, and a relay on each host, through three renewals."""
    site, at = acme.site, {host: one.public_address for host, one in acme.site.hosts.items()}
    before, slots = public(acme, pebble.root), {host: serving(site, host) for host in site.hosts}
    began, servers = time.time(), told(access, at[FIRST])
    tls = {"address": at[FIRST], "name": site.livekit.turn.name(FIRST), **login(servers)}
    with contextlib.ExitStack() as stack:
        relays = [(host, stack.enter_context(relay(acme, host, servers))) for host in site.hosts]
        other = Calling(namespace, {"access": asdict(control), "seconds": SECONDS, "relayed": False})
        other.up()
        call = Calling(namespace, {"access": asdict(access), "seconds": SECONDS, "relayed": True, "tls": tls})
        call.up()
        said = renewed(acme)
        assert said.status == 0, said.text
        after = public(acme, pebble.root)
        assert call.runs, f"the call ended before the renewals: {call.end()}"
        for host, client in relays:
            assert client.permission(at[FIRST]) == 0, f"{host}: the same relay on the same connection"
        report, beside = reported(call.stop()), reported(other.stop())
    assert not set(after.values()) & set(before.values()), "another key on every host"
    assert {host: serving(site, host) for host in site.hosts} == slots, "a certificate needs no other slot"
    assert report.publish_url == access.url
    unnoticed(report, beside)
    pages()
    assert fired_since(began, site) <= ALWAYS | OF_OTHERS, "nobody is told of what is no fault"


def login(servers: Servers) -> dict[str, str]:
    return {"username": servers.username, "credential": servers.credential}


def test_a_server_that_is_away_leaves_the_old_certificate_and_a_warning(
    acme: Deployed, deployed: MakeSite, lab: Lab, pebble: Pebble, tmp_path: Path
) -> None:
    before = public(acme, pebble.root)
    with running(lab.facts["gateway"], tmp_path) as other:
        lead(other, acme.site)
        there = deployed(directory=other.directory, ca_file=str(other.trusted))
        mine = public(there, other.root)
        assert not set(mine.values()) & set(before.values())
        other.kill()
        said = renewed(there)
        assert said.status != 0
        assert "no certificate from" in said.text
        assert public(there, other.root) == mine, "the old one goes on"
        again = deploy(there.inventory)
        assert again.status == 0, again.text
        assert "a certificate was not to be had" in again.text
        assert "connection refused" in again.text
        for plan in ("procedures/status.py", "procedures/doctor.py"):
            shown = Deploy(there.inventory, plan=plan).end().text
            assert "a certificate was not to be had" in shown, shown
