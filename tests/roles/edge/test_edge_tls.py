"""What the edge role plans about certificates."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.roles.edge.settings import Settings
from livekit_metal.roles.edge.tasks import activate
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.task import Plan
from livekit_metal.site.model import Site
from livekit_metal.vault import certificates
from livekit_metal.vault.certificate import Certificate
from tests.roles.conftest import FakeRun
from tests.roles.edge.test_edge import HOST, RELOAD, host, plan
from tests.roles.wanted import look, names
from tests.support.values.sites import SECURE


@pytest.fixture
def secure(make_site: Callable[..., Site]) -> Settings:
    found = make_site(copy.deepcopy(SECURE)).for_host("lk1").edge
    assert found is not None
    return found


def another(served: Certificate | None, days: int = 300) -> Certificate:
    """A certificate like ``served`` from another CA."""
    assert served is not None
    made = certificates.authority("tls-ca", "other", time.time())
    return certificates.leaf(made, "tls-lk1", served.names, days, time.time())


def test_a_new_certificate_is_a_reload_and_the_old_key_goes(secure: Settings) -> None:
    assert plan(secure, host(secure)) == Plan()
    other = dataclasses.replace(secure, served=another(secure.served))
    assert names(plan(other, host(secure))) == [
        f"write {other.certificate_file.rpartition('/')[2]}",
        "write haproxy.cfg",
        *RELOAD,
        "remove the previous certificate",
    ]


def test_without_tls_no_key_stays_on_the_host(secure: Settings) -> None:
    plain = dataclasses.replace(secure, tls="off", served=None)
    assert names(plan(plain, host(secure)))[-1] == "remove the previous certificate"


def test_a_certificate_that_soon_ends_is_told(secure: Settings) -> None:
    ending = dataclasses.replace(secure, tls="provided", served=another(secure.served, days=21))
    assert ending.served is not None
    todo = plan(ending, host(ending))
    assert todo == Plan(notes=todo.notes)
    said = f"the certificate ends on {ending.served.ends}, in 20 days; "
    assert [note for note in todo.notes if note.startswith(said)]
    longer = dataclasses.replace(ending, served=another(secure.served, days=23))
    assert plan(longer, host(longer)).notes == ()


def test_a_key_is_shown_in_no_diff(fake_run: Callable[..., FakeRun], secure: Settings, capsys: Any) -> None:
    fresh = look(HostState(answers=dict(HOST)))
    done = fake_run(lambda: one_by_one("edge", activate(secure)), answer=lambda _h, c: fresh if "sh -s" in c else "")
    assert done.results["lk1"].word == "done"
    assert secure.served is not None
    key = secure.served.key.reveal().splitlines()[2]
    assert key not in "".join(capsys.readouterr())
    assert key not in "".join(done.commands["lk1"]), "it travels by standard input"
