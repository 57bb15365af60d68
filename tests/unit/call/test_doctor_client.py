"""What the doctor finds as a client, against a server that says and accepts what a test wants."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.call.access import Access, Host
from livekit_metal.core.check_result import CheckResult, Result
from livekit_metal.diagnosis.from_client import network, signalling
from livekit_metal.diagnosis.subject import Subject, shut
from livekit_metal.site.model import Site
from tests.support.programs.server import brief, certificate, run, server

WITHIN = 20


def answered(**how: Any) -> list[CheckResult]:
    async def test() -> list[CheckResult]:
        async with server(**how) as access:
            return await signalling.answers(Subject(access=access), "lk1", access.url)

    found: list[CheckResult] = run(test)
    return found


def test_a_server_that_answers() -> None:
    assert [brief(row) for row in answered()] == [("signalling", Result.OK), ("time", Result.OK)]


@pytest.mark.parametrize(
    ("code", "said"),
    [(406, "cut off from Redis"), (503, "no livekit-server takes sessions"), (404, "is that LiveKit?")],
)
def test_what_it_says_instead_of_200(code: int, said: str) -> None:
    (row,) = answered(code=code)
    assert brief(row) == ("signalling", Result.FAILED)
    assert f"HTTP {code}: " in row.said
    assert said in row.said


@pytest.mark.parametrize(("off", "result"), [(-3, Result.OK), (4, Result.OK), (-9, Result.FAILED), (9, Result.FAILED)])
def test_its_clock(off: float, result: Result) -> None:
    assert brief(answered(off=off)[1]) == ("time", result)


def test_nobody_there() -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        case = Subject(access=Access(url=url, api_key="API", api_secret="secret"))
        (row,) = run(lambda: signalling.answers(case, "", url))
        assert brief(row) == ("signalling", Result.FAILED)
        assert run(lambda: network.segment(case, "", url)) is None


@pytest.mark.parametrize(("lets_in", "result"), [(False, Result.OK), (True, Result.FAILED)])
def test_whoever_must_not_get_in(lets_in: bool, result: Result) -> None:
    async def test() -> CheckResult:
        async with server(lets_in=lets_in) as access:
            return await signalling.refuses(Subject(access=access), "", None)

    row = run(test)
    assert brief(row) == ("refused", result)
    if lets_in:
        assert all(words in row.said for words in ("another secret (HTTP 101)", "expired (HTTP 101)", "another room"))


def test_a_key_that_is_refused_is_the_cause() -> None:
    async def test() -> CheckResult:
        async with server() as access:
            return (await signalling.joins(Subject(access=access), "", None))[0]

    row = run(test)
    assert brief(row) == ("join", Result.FAILED)
    assert "refuses the API key API (HTTP 401)" in row.said


def test_ports_that_must_be_closed() -> None:
    async def test() -> tuple[CheckResult, CheckResult]:
        listening = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        access = Access(url="ws://127.0.0.1:1", api_key="API", api_secret="secret")
        ports = {"127.0.0.1": {"redis/redis": port, "edge/peer": 1}}
        opened = await network.closed(Subject(access=access, closed=ports), "lk1", "127.0.0.1")
        listening.close()
        return opened, await network.closed(Subject(access=access, closed=ports), "lk1", "127.0.0.1")

    opened, shut_ = run(test)
    assert brief(opened) == ("closed", Result.FAILED)
    assert "(redis/redis) of 127.0.0.1 takes connections" in opened.said
    assert "edge/peer" not in opened.said
    assert brief(shut_) == ("closed", Result.OK)


def test_where_nothing_is_filtered_somebody_else_must_close_them() -> None:
    """A deploy would put no rules there: the remedy must not say so."""

    async def test() -> CheckResult:
        listening = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        access = Access(url="ws://127.0.0.1:1", api_key="API", api_secret="secret")
        case = Subject(access=access, closed={"127.0.0.1": {"redis/redis": port}}, unfiltered=["127.0.0.1"])
        return await network.closed(Subject.from_json(case.to_json()), "lk1", "127.0.0.1")

    row = run(test)
    assert brief(row) == ("closed", Result.FAILED)
    assert row.remedy == "firewall.mode is none: close it in the firewall that filters instead (docs/network.md)"


@pytest.mark.parametrize(
    ("proxies", "result", "said"),
    [
        (["127.0.0.0/8"], Result.OK, "0 ports; {} not tried, which the site opens to this machine"),
        (["10.0.0.0/8"], Result.FAILED, "{} (edge/http) of 127.0.0.1 takes connections from here"),
    ],
)
def test_what_is_open_to_a_proxy_is_no_fault_to_the_proxy(proxies: list[str], result: Result, said: str) -> None:
    async def test() -> tuple[CheckResult, int]:
        listening = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        access = Access(url="ws://127.0.0.1:1", api_key="API", api_secret="secret")
        case = Subject(
            access=access,
            closed={"127.0.0.1": {"edge/http": port}},
            admitted={"edge/http": proxies},
        )
        return await network.closed(Subject.from_json(case.to_json()), "lk1", "127.0.0.1"), port

    row, port = run(test)
    assert (brief(row), row.said) == (("closed", result), said.format(port))
    if result is Result.FAILED:
        assert row.remedy.startswith(
            "as it should be if NAT has this machine come from edge.proxies or exporters.networks; "
        )


def test_a_proxy_may_reach_no_more_than_is_for_proxies() -> None:
    async def test() -> CheckResult:
        listening = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        access = Access(url="ws://127.0.0.1:1", api_key="API", api_secret="secret")
        closed = {"127.0.0.1": {"edge/http": 1, "redis/redis": port}}
        case = Subject(access=access, closed=closed, admitted={"edge/http": ["127.0.0.1/32"]})
        return await network.closed(case, "lk1", "127.0.0.1")

    row = run(test)
    assert brief(row) == ("closed", Result.FAILED)
    assert "(redis/redis)" in row.said


def test_a_host_of_the_site_may_reach_more() -> None:
    hosts = {"lk1": Host(address="127.0.0.1")}
    access = Access(url="ws://127.0.0.1:1", api_key="API", api_secret="secret", hosts=hosts)
    row = run(lambda: network.closed(Subject(access=access, closed={"127.0.0.1": {}}), "lk1", "127.0.0.1"))
    assert brief(row) == ("closed", Result.NOTE)


def named(name: str, *addresses: str) -> Subject:
    return Subject(access=Access(url=f"wss://{name}", api_key="API", api_secret="secret"), addresses=addresses)


def test_names() -> None:
    assert run(lambda: network.dns(named("192.0.2.1"))) is None
    missing = run(lambda: network.dns(named("no-such-host.invalid")))
    assert brief(missing) == ("dns", Result.FAILED)
    assert brief(run(lambda: network.dns(named("localhost")))) == ("dns", Result.OK)
    elsewhere = run(lambda: network.dns(named("localhost", "192.0.2.7")))
    assert brief(elsewhere) == ("dns", Result.FAILED)
    assert "is not a host of the site" in elsewhere.said


@pytest.mark.parametrize(
    ("days", "known", "result", "said"),
    [
        (90, "by file", Result.OK, "89 days left"),
        (90, "by text", Result.OK, "89 days left"),
        (9, "by file", Result.NOTE, "8 days left"),
        (-2, "by file", Result.FAILED, "certificate has expired"),
        (-2, "by text", Result.FAILED, "certificate has expired"),
        (90, "", Result.FAILED, "is not trusted"),
    ],
)
def test_certificates(tmp_path: Path, days: int, known: str, result: Result, said: str) -> None:
    context, ca_file = certificate(tmp_path, days)

    async def test() -> CheckResult | None:
        async with server(tls=context) as access:
            made = Access(url=access.url, api_key="API", api_secret="s", ca_file=ca_file if known else None)
            if known == "by text":  # as a machine gets it that has no such file
                made = made.portable()
                Path(ca_file).unlink()
            return await network.certificate(Subject(access=made), "lk1", made.url)

    row = run(test)
    assert brief(row) == ("tls", result)
    assert said in row.said


def test_what_must_be_closed_is_what_the_registry_says(cluster: Site) -> None:
    ports = shut(cluster.ports("lk1"))
    assert {"redis/redis", "edge/peer", "livekit/signal-a", "prometheus/prometheus"} <= set(ports)
    assert not {"edge/http", "livekit/ice-tcp-a", "livekit/media-a", "firewall/ssh"} & set(ports)
    usual = Subject.of(Access(url="ws://192.0.2.1:7880", api_key="API", api_secret="s")).closed
    assert usual == {"192.0.2.1": ports}


def test_places_are_hosts_and_the_url_where_it_leads_elsewhere() -> None:
    def places(url: str, nodes: dict[str, str], **urls: str | None) -> dict[str, str | None]:
        hosts = {name: Host(address="192.0.2.1", url=at) for name, at in urls.items()}
        return Subject(access=Access(url=url, api_key="A", api_secret="s", hosts=hosts), nodes=nodes).places

    assert places("ws://a", {}, lk1="ws://a", lk2="ws://b") == {"lk1": "lk1", "lk2": "lk2"}
    assert places("wss://site", {}, lk1="ws://a") == {"": None, "lk1": "lk1"}
    assert places("wss://site", {"lk1": "ND_1"}, lk1=None, lk2=None) == {"": None, "lk1": None}


def test_a_case_survives_the_way_to_another_process() -> None:
    hosts = {"lk1": Host(address="192.0.2.1", url="ws://192.0.2.1")}
    access = Access(url="ws://192.0.2.1", api_key="API", api_secret="secret", hosts=hosts)
    case = Subject(access=access, nodes={"lk1": "ND_1"}, closed={"192.0.2.1": {"redis/redis": 6379}}, here="controller")
    again = Subject.from_json(case.to_json())
    assert again.to_json() == case.to_json()
    assert again.access == access
    assert "secret" not in repr(again)
