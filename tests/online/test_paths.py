"""Media over each of the four paths, with the other three closed to the client: from a network namespace of its own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytest

from livekit_metal.call.access import Access
from livekit_metal.core.ports import PortRange
from livekit_metal.roles.edge.settings import Settings as Edge
from tests.support.calls.turn import told
from tests.support.hosts.lab import Lab, lab, over_ssh
from tests.support.hosts.outside import Calling, where_names_lead

FIRST = lab().site.with_role("livekit")[0]
SECONDS = 4
ENOUGH = 20.0  # s in which a call comes up, if it ever does: the SDK itself tries for a minute
TABLE = "livekit_metal_paths"


@dataclass(frozen=True)
class Way:
    """A way for media: what the client may send (as nft says it), beside its signalling."""

    name: str
    allowed: tuple[str, ...]  # names of ports in the registry
    relayed: bool = False
    tls: bool = False


PATHS = (
    Way("UDP", ("media",)),
    Way("ICE/TCP", ("ice-tcp",)),
    Way("TURN/UDP", ("turn-udp",), relayed=True),
    Way("TURN/TLS", (), relayed=True, tls=True),
)

pytestmark = pytest.mark.skipif(len(lab().site.hosts) > 1, reason="one host: every room is where the ways are closed")


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    """A stranger's network, where the site's names lead to its first host."""
    site = lab.site
    names = filter(None, ("localhost.lab", site.edge.domain, site.livekit.turn.name(FIRST)))
    with where_names_lead(lab, dict.fromkeys(names, site.hosts[FIRST].public_address)) as name:
        yield name


def signalling(edge: Edge) -> PortRange:
    """Where clients come in: a proxy of the operator's has the port of https that the edge would have."""
    return edge.https if edge.encrypted or edge.proxied_site else edge.http


def nft(namespace: str, rules: str) -> None:
    subprocess.run(["ip", "netns", "exec", namespace, "nft", "-f", "-"], input=rules, text=True, check=True)


@contextlib.contextmanager
def closed_but(namespace: str, lab: Lab, path: Way) -> Iterator[None]:
    """Nothing leaves the namespace but signalling and what ``path`` needs."""
    site = lab.site
    ports = [p for p in site.ports(FIRST) if p.name.rpartition("-")[0] in path.allowed]
    accepted = [f"tcp dport {signalling(site.edge)} accept", *(f"{p.proto} dport {p.range} accept" for p in ports)]
    rules = "; ".join(['oif "lo" accept', "meta l4proto ipv6-icmp accept", *accepted])
    chain = f"chain out {{ type filter hook output priority 0; policy drop; {rules}; }};"
    nft(namespace, f"table inet {TABLE} {{ {chain} }}\n")
    try:
        yield
    finally:
        nft(namespace, f"delete table inet {TABLE}\n")


def call(namespace: str, access: Access, path: Way, lab: Lab) -> Calling:
    given: dict[str, Any] = {"access": asdict(access), "seconds": SECONDS, "relayed": path.relayed}
    if path.tls:
        at = lab.site.hosts[FIRST].public_address
        servers = told(replace(access, url=access.through(FIRST)), at if lab.site.edge.proxied_site else "")
        login = {"username": servers.username, "credential": servers.credential}
        given["tls"] = {"address": at, "name": lab.site.livekit.turn.name(FIRST)} | login
    return Calling(namespace, given)


def by_name(access: Access, lab: Lab) -> Access:
    """As the site's clients come in, where it has a name for them."""
    edge = lab.site.edge
    return replace(access, url=f"wss://{edge.domain}{edge.url_suffix}") if edge.encrypted and edge.domain else access


def turn_sessions() -> int:
    """Connections that came to TURN over TLS, as HAProxy counts them."""
    metrics = lab().site.for_host(FIRST).edge
    assert metrics is not None
    said = over_ssh(FIRST).check_output(f"curl -s http://{metrics.endpoints['metrics']}/metrics")
    wanted = 'haproxy_frontend_sessions_total{proxy="turn"} '
    return sum(int(line.removeprefix(wanted)) for line in said.splitlines() if line.startswith(wanted))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_call_goes_this_way_when_it_is_the_only_one(namespace: str, access: Access, lab: Lab, path: Way) -> None:
    if path.tls and not lab.site.livekit.turn.domain:
        pytest.skip("the site has TURN over UDP only")
    before = turn_sessions()
    with closed_but(namespace, lab, path):
        report = call(namespace, by_name(access, lab), path, lab).end()
    assert report["ok"], report
    assert (turn_sessions() > before) == path.tls, "443 carries signalling too: what went to TURN there is counted"


def test_with_every_way_closed_there_is_no_media(namespace: str, access: Access, lab: Lab) -> None:
    """Else the others would prove nothing."""
    nothing = Way("none", ())
    with closed_but(namespace, lab, nothing):
        assert not call(namespace, by_name(access, lab), nothing, lab).comes_up(ENOUGH)
