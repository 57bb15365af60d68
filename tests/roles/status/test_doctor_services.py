"""The doctor's judgement of egress, ingress, livekit-sip and Kamailio: what a look at their host tells."""

from __future__ import annotations

import copy
import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.check_result import Result
from livekit_metal.core.types.secret import Secret
from livekit_metal.diagnosis.on_host import services
from livekit_metal.roles.kamailio import doctor
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.slots.components import components
from livekit_metal.site.model import HostStack, Site
from tests.support.values.sites import PHONES, RECORDING, SINGLE, streaming

ROLES = ("egress", "ingress", "sip")
KEYS = {"APIone": Secret("one", "first"), "APItwo": Secret("two", "second")}


@pytest.fixture
def stack(make_site: Callable[[dict[str, Any]], Site]) -> HostStack:
    """A host with every daemon."""
    data = streaming(copy.deepcopy(SINGLE | PHONES | {"egress": RECORDING}))
    data["hosts"]["lk1"]["roles"] += ["egress", "sip"]
    return make_site(data).for_host("lk1")


def kept(key: str, secret: str) -> str:
    return hashlib.sha256(f"key {key}\nsecret {secret}\n".encode()).hexdigest()


def look(changed: str = "", kamailio: tuple[str, ...] = ("answers", "follows"), **words: str) -> HostState:
    """A sound host, but for what the daemon ``changed`` says."""
    probes = {"doctor.kamailio": list(kamailio)}
    for role in ROLES:
        said = {"state": "active", "stamp": "abc", "http": "200", "sessions": "2", "keys": kept("APItwo", "second")}
        said |= words if role == changed else {}
        probes[f"{role}.occupancy"] = ["active a", *(f"a {word} {value}" for word, value in said.items()), "end"]
    return HostState(answers=probes)


def test_a_sound_host(stack: HostStack) -> None:
    rows = list(services.services(stack, KEYS, look()))
    assert {row.result for row in rows} == {Result.OK}
    assert [row.check for row in rows] == [f"{r}{k}" for r in ROLES for k in ("", "-keys")] + ["old-code"]
    assert rows[0].said == "slot a answers, 2 recordings"


@pytest.mark.parametrize(
    ("role", "words", "said"),
    [
        ("egress", {"state": "inactive"}, "egress lk1: new recordings go to slot a, which is empty"),
        ("egress", {"http": "000"}, "egress lk1: slot a says HTTP 000"),
        ("egress", {"keys": kept("APIone", "other")}, "egress-keys lk1: slot a of egress has an API key that is not"),
        (
            "ingress",
            {"unheard": "WHIP says 503"},
            "ingress lk1: slot a and livekit-server do not hear each other",
        ),
        ("ingress", {"http": "503"}, "ingress lk1: slot a says HTTP 503"),
        ("sip", {"state": "deactivating"}, "sip lk1: new phone calls go to slot a, which is draining"),
        ("sip", {"keys": ""}, "sip-keys lk1: slot a of sip has an API key"),
    ],
)
def test_one_cause_is_one_row(stack: HostStack, role: str, words: dict[str, str], said: str) -> None:
    (only,) = (r for r in services.services(stack, KEYS, look(role, **words)) if r.result is Result.FAILED)
    assert f"{only.name}: {only.said}".startswith(said)


def test_kamailio_that_answers_and_follows(stack: HostStack) -> None:
    (only,) = doctor.checks(stack, stack.kamailio, look())
    assert (only.check, only.result) == ("kamailio", Result.OK)


def test_a_busy_livekit_sip_answers(stack: HostStack) -> None:
    rows = services.services(stack, KEYS, look("sip", http="429"))
    assert {row.result for row in rows} == {Result.OK}


@pytest.mark.parametrize(
    ("kamailio", "said"), [((), "Kamailio does not answer"), (("answers",), "Kamailio sends new calls to another slot")]
)
def test_kamailio(stack: HostStack, kamailio: tuple[str, ...], said: str) -> None:
    (only,) = doctor.checks(stack, stack.kamailio, look(kamailio=kamailio))
    assert (only.check, only.result) == ("kamailio", Result.FAILED)
    assert only.said.startswith(said)


@pytest.mark.parametrize("role", ROLES)
def test_a_host_hashes_what_its_configuration_has(stack: HostStack, tmp_path: Path, role: str) -> None:
    """The shell text, on the file that the daemon really gets."""
    _, files = components(stack)[role].generation("/opt/program/1-abc")
    (config,) = (each for each in files if each.path.endswith("/a.yaml"))
    (tmp_path / "a.yaml").write_text(config.text)
    ask = f"slot=a of={tmp_path}; curl() {{ :; }}; port() {{ :; }}; {services._HEALTH}"
    said = subprocess.run(["sh", "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    assert stack.livekit is not None
    assert said[-1] in [kept(key, secret.reveal()) for key, secret in stack.livekit.api_keys.items()]
