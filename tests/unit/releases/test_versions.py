"""What is known of versions reaches whoever runs them: faults, the step between two versions, cores by cpu_cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.releases import compatibility
from livekit_metal.releases.catalogue import File
from livekit_metal.releases.compatibility import bad, faults, version_skip
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.slots.components import components
from livekit_metal.runtime.slots.staging import Staging
from livekit_metal.site.model import Site

MakeSite = Callable[[dict[str, Any]], Site]


def _means(version: str) -> str:
    return "\n".join(fault.means for fault in faults("livekit-server", version))


def test_simulcast_and_agents_of_1_13_5_are_known() -> None:
    """livekit#4800, mended in 1.13.6; livekit#4894, mended in 1.13.8."""
    for version, simulcast, agents in (
        ("1.13.4", False, True),
        ("1.13.5", True, True),
        ("1.13.6", False, True),
        ("1.13.7", False, True),
        ("1.13.8", False, False),
        ("1.13.9", False, False),
    ):
        assert ("simulcast" in _means(version)) == simulcast, version
        assert ("agent that the server ends" in _means(version)) == agents, version


def test_every_fault_says_where_it_is_written() -> None:
    known = faults("livekit-server")
    assert len({fault.link for fault in known}) == len(known)
    for fault in known:
        assert fault.link.startswith("https://github.com/livekit/livekit/")
        assert fault.since or fault.before, fault.means
        assert not bad("livekit-server", fault.before or fault.since)


def test_of_a_build_of_ones_own_nothing_is_known() -> None:
    assert faults("livekit-server", "1.13.5-mine") == ()


def _brought(site: Site, version: str, there: tuple[str, ...] = ()) -> tuple[str, ...]:
    daemon = components(site.for_host("lk1"))["livekit"]
    wanted = Generation("new", "/etc/x/new", f"/opt/x/{version}-abc")
    answers = {"livekit.active": [], "livekit.generations": [], "livekit.releases": list(there)}
    seen = HostState(answers=answers)
    return (
        Staging(daemon.service(wanted), "livekit-server", lambda _: None, wanted, ())
        .plan(seen, accept=(), accept_skip=False)
        .notes
    )


def test_a_deploy_that_brings_a_version_says_what_is_known_of_it(single: Site) -> None:
    (note,) = _brought(single, "1.13.5")
    number = len(faults("livekit-server", "1.13.5"))
    assert note.startswith(f"livekit-server 1.13.5 has {number} known faults, none from 1.13.8 on (docs/releases.md): ")
    assert note.endswith("who loses packets sees video freeze")
    assert _brought(single, "1.13.5", ("/opt/x/1.13.5-abc",)) == (), "said once"


def test_the_step_between_1_9_and_1_13_can_be_followed(make_site: MakeSite, site_data: dict[str, Any]) -> None:
    refused = version_skip("livekit-server", "1.9.11", "1.13.7")
    assert refused
    assert "deploy 1.12.0 first (download its archive and checksums.txt from https://" in refused.remedy
    for before, after in (("1.9.11", "1.12.0"), ("1.12.0", "1.13.7")):
        assert version_skip("livekit-server", before, after) is None
    site_data["livekit"] = {"release": "1.12.0", "source": "file", "file": "livekit-server", "sha256": "ab" * 32}
    own = make_site(site_data).for_host("lk1").the(Livekit)
    assert isinstance(own.release_spec().origin, File)
    assert "debug_handler" not in own.config("a"), "it would refuse what it does not know"
    assert not compatibility.unknown("livekit-server", "1.12.0", own.config("a"))


def test_a_recording_by_debians_browser_needs_memory(make_site: MakeSite, every: dict[str, Any]) -> None:
    every["egress"] |= {"profile": "full", "records": ["track", "web"]}
    demands = make_site(every).for_host("lk1").preflight.demands
    assert {each.what: each.memory_mb > 0 for each in demands if each.path == "egress.records"} == {
        "track": False,
        "web": True,
    }


@pytest.mark.parametrize(
    ("kind", "cost", "cores"),
    [
        ("room_composite", {"room_composite_cpu_cost": 2.0}, 2.0),
        ("room_composite", {"track_cpu_cost": 2.0}, 4.0),
        ("audio_room", {"audio_room_composite_cpu_cost": 0.5}, 0.5),
        ("audio_room", {"audio_room_composite_cpu_cost": 0.5, "sdk_audio_room_composite_cpu_cost": 1.5}, 1.5),
        ("web", {}, 4.0),
    ],
)
def test_cores_follow_cpu_cost(
    make_site: MakeSite, every: dict[str, Any], kind: str, cost: dict[str, float], cores: float
) -> None:
    every["egress"] = {"source": "image", "profile": "full", "records": [kind], "extra": {"cpu_cost": cost}}
    demands = make_site(every).for_host("lk1").preflight.demands
    assert {each.what: each.cores for each in demands if each.path == "egress.records"} == {kind: cores}
