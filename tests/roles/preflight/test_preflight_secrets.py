"""What preflight says of the secrets file and of the site's own CA."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from livekit_metal.roles.preflight import tasks
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.task import Task
from livekit_metal.site.model import Site
from livekit_metal.vault.document import State
from tests.roles.preflight.test_preflight import host, said


@pytest.fixture
def settings(cluster: Site) -> Settings:
    return cluster.for_host("lk2").preflight


def test_other_secrets_than_the_hosts_are_refused(settings: Settings) -> None:
    assert said(settings, host(fingerprint=[settings.fingerprint])) == []
    ((text, _),) = said(settings, host(fingerprint=["0123456789abcdef"]))
    assert text == (
        "lk2: secrets: the host was set up with other secrets (fingerprint 0123456789abcdef, here "
        f"{settings.fingerprint}); bring {settings.secrets_file} and its key from the machine that deployed last"
    )


@pytest.mark.parametrize(
    ("line", "fact", "remedy"),
    [
        (
            "9 0123456789abcdef",
            "{file} is older than what the host was deployed with (serial 5, there 9)",
            "bring the newest one: from version control (git pull), or from the machine that deployed last; "
            "--data secrets=older deploys this one all the same, and what was retired since is valid again",
        ),
        *(
            (
                f"{serial} fedcba9876543210",
                f"{{file}} (serial 5) and the file that the host was deployed with (serial {serial}) went apart",
                "each has changes that the other lacks; take both: python -m procedures.secrets INVENTORY unite FILE, "
                "where FILE is the other one; --data secrets=older deploys this one all the same",
            )
            for serial in (5, 4)
        ),
    ],
)
def test_an_older_secrets_file_is_refused_unless_it_is_asked_for(
    settings: Settings, line: str, fact: str, remedy: str
) -> None:
    state = State(5, "0123456789abcdef", {4: ("4444444444444444",)})
    settings = dataclasses.replace(settings, secrets=state)
    seen = host(fingerprint=[settings.fingerprint], serial=[line])
    text = f"lk2: secrets: {fact.format(file=settings.secrets_file)}; {remedy}"
    assert said(settings, seen) == [(text, True)]
    assert said(dataclasses.replace(settings, older_secrets=True), seen) == [(text, False)]


@pytest.mark.parametrize("line", ["", "5 0123456789abcdef", "4 4444444444444444", "2 2222222222222222"])
def test_the_newest_secrets_file_is_none_to_speak_of(settings: Settings, line: str) -> None:
    """Also where a host was not deployed for a while, or by a version that kept no serial."""
    settings = dataclasses.replace(settings, secrets=State(5, "0123456789abcdef", {4: ("4444444444444444",)}))
    assert said(settings, host(fingerprint=[settings.fingerprint], serial=[line] if line else [])) == []


def test_older_secrets_that_were_asked_for_are_the_newest_from_then_on(
    settings: Settings, cluster: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, parts = cluster.vault, list[Task]()
    assert vault is not None
    vault.persist()
    monkeypatch.setattr(tasks, "in_parallel", lambda part, name: parts.append(part))
    monkeypatch.setattr(tasks.context, "ctx_state", SimpleNamespace(get=lambda: SimpleNamespace(inventory=())))
    settings = dataclasses.replace(settings, secrets=vault.state)
    for older in (False, True):
        tasks.prepare(settings, vault, older_secrets=older)
    seen = host(fingerprint=[settings.fingerprint], serial=["9 0123456789abcdef"], peers=[])
    with pytest.raises(HostError, match=r"is older than what the host was deployed with \(serial 1, there 9\)"):
        parts[0].plan(seen)
    assert vault.coming.serial == 1
    assert "is older than" in parts[1].plan(seen).notes[0]
    assert vault.coming.serial == 10


def test_a_name_that_the_ca_may_not_sign_stops_a_deploy(settings: Settings) -> None:
    remedy = "make a CA that may: python -m procedures.secrets INVENTORY rotate ca, and do as it says"
    lacking = dataclasses.replace(settings, unsigned=("lk.example.org", "192.0.2.12"), named=True)
    fact = "the site's CA may not sign for lk.example.org: clients would refuse lk2"
    assert said(lacking, host()) == [(f"edge.tls: {fact}; {remedy}", True)]
    fact = "the site's CA may not sign for 192.0.2.12: lk2 is reached by name alone"
    assert said(dataclasses.replace(lacking, unsigned=("192.0.2.12",)), host()) == [
        (f"edge.tls: {fact}; {remedy}", False)
    ]
    unnamed = dataclasses.replace(settings, unsigned=("192.0.2.12",))
    ((text, stops),) = said(unnamed, host())
    assert "may not sign for 192.0.2.12: clients would refuse lk2" in text
    assert stops


AGAIN = "python -m procedures.secrets INVENTORY"


def apart(settings: Settings, seen: HostState, *in_run: str) -> list[tuple[str, bool]]:
    """What is said, of a file that has been changed since by whoever had the daemons separated."""
    settings = dataclasses.replace(settings, secrets=State(9, "", {}), nodes=("lk1", "lk2", "lk3"))
    return [each for each in said(settings, seen, *in_run) if "API key" in each[0]]


@pytest.mark.parametrize(("line", "serial"), [("", 0), ("5 0123456789abcdef", 5)])
def test_daemons_use_no_key_that_a_node_was_not_deployed_with(settings: Settings, line: str, serial: int) -> None:
    settings = dataclasses.replace(settings, apart=6)
    seen = host(fingerprint=[settings.fingerprint], serial=[line])
    fact = (
        "the daemons beside livekit-server are to use an API key of their own, and this host was last deployed "
        "before it was made"
    )
    remedy = (
        f"deploy once before: {AGAIN} join daemons, then pyinfra INVENTORY deploy.py, then {AGAIN} separate daemons"
    )
    assert apart(settings, seen) == [(f"lk2: secrets: {fact} (serial {serial}, 6 is needed); {remedy}", True)]


@pytest.mark.parametrize("serial", [6, 7])
def test_a_node_that_was_deployed_with_the_key_is_none_to_speak_of(settings: Settings, serial: int) -> None:
    seen = host(fingerprint=[settings.fingerprint], serial=[f"{serial} 0123456789abcdef"])
    assert apart(dataclasses.replace(settings, apart=6), seen) == []


def test_a_new_node_comes_with_the_key(settings: Settings) -> None:
    assert apart(dataclasses.replace(settings, apart=6, first_apart=6), host(), "lk2") == []


def test_the_deploy_that_separates_daemons_must_see_every_node(settings: Settings) -> None:
    """An edge may lead to a node outside ``--limit``."""
    settings = dataclasses.replace(settings, first_apart=6)
    before, after = (
        host(fingerprint=[settings.fingerprint], serial=[f"{serial} 0123456789abcdef"]) for serial in (6, 7)
    )
    fact = "its daemons are about to use an API key of their own, and this run does not see whether lk1, lk3 has it"
    assert apart(settings, before, "lk2") == [(f"lk2: secrets: {fact}; deploy without --limit, this once", True)]
    assert apart(settings, before) == []
    assert apart(settings, after, "lk2") == []
    assert apart(dataclasses.replace(settings, first_apart=0), before, "lk2") == []
