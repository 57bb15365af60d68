"""What the edge role plans about other services, and where it asks whether clients are answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from livekit_metal.roles.edge import tasks
from livekit_metal.roles.edge.services import Backend
from livekit_metal.roles.edge.settings import Settings
from livekit_metal.runtime.run.task import Plan
from livekit_metal.site.model import Site
from tests.roles.edge.test_edge import RELOAD, host, plan
from tests.roles.wanted import names

PAD = Backend(server="127.0.0.1:9001", paths=("/pad",))
SECURE = dataclasses.replace(PAD, tls=True, tls_name="pad.lan", ca_file="ca.pem", ca="one\n")


@pytest.fixture
def edge(cluster: Site) -> Settings:
    found = cluster.for_host("lk1").edge
    assert found is not None
    return found


def having(edge: Settings, **backends: Backend) -> Settings:
    return dataclasses.replace(edge, backends=backends)


def test_a_service_more_or_less_is_a_reload(edge: Settings) -> None:
    more = having(edge, pad=PAD)
    assert names(plan(more, host(edge))) == ["write haproxy.cfg", *RELOAD]
    assert plan(more, host(more)) == Plan()
    assert names(plan(edge, host(more))) == ["write haproxy.cfg", *RELOAD]


def test_another_ca_of_a_service_is_another_file_and_a_reload(edge: Settings) -> None:
    """The running HAProxy has read the one before: a file of the same name would change nothing."""
    before, after = having(edge, pad=SECURE), having(edge, pad=dataclasses.replace(SECURE, ca="other\n"))
    (new,) = after.authorities.values()
    assert names(plan(after, host(before))) == [
        f"write {new.rpartition('/')[2]}",
        "write haproxy.cfg",
        *RELOAD,
        "remove the previous certificate",
    ]
    assert plan(before, host(before)) == Plan()
    assert names(plan(edge, host(before)))[-1] == "remove the previous certificate"


def test_two_services_with_one_ca_share_its_file(edge: Settings) -> None:
    both = having(edge, pad=SECURE, pod=dataclasses.replace(SECURE, paths=("/pod",)))
    assert len(tasks._certificates(both)) == 1
    assert plan(both, host(both)) == Plan()


def test_a_host_without_clients_has_no_services(edge: Settings) -> None:
    caller = dataclasses.replace(having(edge, pad=PAD), slots=())
    assert "service_" not in tasks._config(caller).text


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, ("http://127.0.0.1:80/", "https://127.0.0.1:443/")),
        ({"listens": ("192.0.2.11", "2001:db8::11")}, ("http://192.0.2.11:80/", "https://192.0.2.11:443/")),
    ],
)
def test_the_proof_asks_where_clients_come_in(
    edge: Settings, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], asked: tuple[str, ...]
) -> None:
    found: list[str] = []
    ask: Callable[..., None] = lambda _host, _what, _unit, _test, *urls: found.extend(urls)  # noqa: E731
    monkeypatch.setattr(tasks, "until", ask)
    tasks._prove(None, dataclasses.replace(edge, tls="internal", **settings))  # type: ignore[arg-type]
    assert set(asked) < set(found)
    assert f"http://127.0.0.1:{edge.http}/" in found
