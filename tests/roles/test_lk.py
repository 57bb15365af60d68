"""What the role lk plans from what it sees, and what it says of a site."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.roles.lk import tasks
from livekit_metal.roles.lk.settings import COMMAND, Settings
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.task import Plan
from livekit_metal.runtime.slots import staging
from livekit_metal.site.footprint import footprint
from livekit_metal.site.model import Site
from tests.roles.wanted import names

Make = Callable[[dict[str, Any]], Site]
SUM = "ab" * 32
WHERE = f"/opt/livekit/lk/2.18.8-{SUM[:12]}"


@pytest.fixture
def site(site_data: dict[str, Any], make_site: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    def fetched(release: Any, arch: str, *_: Any) -> Artifact:
        return Artifact(
            component="lk", version=release.version, source=release.source, arch=arch,
            sha256=SUM, path=tmp_path, size=7, identity="x",
        )  # fmt: skip

    monkeypatch.setattr(staging, "_fetched", fetched)
    site_data["hosts"]["lk3"]["roles"] = ["lk"]
    return make_site(site_data)


@pytest.fixture
def own(site: Site) -> Settings:
    found = site.for_host("lk3").of(Settings)
    assert found is not None
    return found


def host(own: Settings, others: list[str] | None = None) -> HostState:
    files = tasks.wanted_files(own, WHERE)
    return HostState(
        files={f.path: f.sha256 for f in files} | {f"{WHERE}/lk": SUM},
        stat={f.path: (f.mode, f.user, f.group) for f in files},
        answers={"lk.others": others or []},
    )


def planned(own: Settings, seen: HostState) -> list[str]:
    plans: list[Plan] = [tasks.stage(own).plan(seen), tasks.activate(own).plan(seen)]
    return [name for plan in plans for name in names(plan)]


def test_a_fresh_host_gets_program_command_and_context(own: Settings) -> None:
    fresh = HostState(answers={"lk.others": []})
    assert planned(own, fresh) == [f"push lk 2.18.8-{SUM[:12]}", "write lk, lk, cli-config.yaml", "lk runs"]


def test_a_host_as_wanted_is_left_alone(own: Settings) -> None:
    assert planned(own, host(own)) == []


def test_a_program_that_is_not_what_was_brought_comes_again_and_old_ones_go(own: Settings) -> None:
    seen = host(own, ["2.18.7-123456789abc"])
    seen.files[f"{WHERE}/lk"] = "cd" * 32
    assert planned(own, seen) == [f"push lk 2.18.8-{SUM[:12]}", "remove 2.18.7-123456789abc"]


def test_another_key_is_another_context(site: Site, own: Settings) -> None:
    assert planned(dataclasses.replace(own, api_keys={"new": site.opened.api_secret}), host(own)) == [
        "write cli-config.yaml",
        "lk runs",
    ]


def test_the_context_is_roots_alone_and_nothing_else_has_the_key(site: Site, own: Settings) -> None:
    command, _, context = files = tasks.wanted_files(own, WHERE)
    key, secret = site.opened.used_by_daemons
    assert (context.mode, context.user, context.group, context.secret) == ("600", "root", "root", True)
    (project,) = json.loads(context.text)["projects"]
    assert project == {
        "name": "livekit-metal", "url": "ws://127.0.0.1:7880", "api_key": key, "api_secret": secret.reveal(),
    }  # fmt: skip
    assert [f for f in files if secret.reveal() in f.text] == [context]
    assert (command.path, command.mode) == (COMMAND, "755")


def test_a_host_with_nothing_else_has_an_edge_and_no_redis(site: Site) -> None:
    stack = site.for_host("lk3")
    assert stack.edge is not None
    assert "lk" not in site.for_host("lk1").redis.callers
    gone = footprint(site, stack)
    assert {COMMAND, "/usr/local/share/bash-completion/completions/lk"} <= set(gone.files)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"release": "2.0.0"}, "lk.release: lk 2.0.0 is not known; the nearest known version is 2.18.7"),
        ({"source": "module"}, "lk.source: lk 2.18.8 is not known as module; choose archive or file"),
        ({"source": "file", "file": "x"}, "lk.sha256: is '', not 64 hexadecimal digits"),
    ],
)
def test_a_release_that_cannot_be_had_is_refused_when_it_is_read(
    site_data: dict[str, Any], make_site: Make, settings: dict[str, Any], words: str
) -> None:
    site_data["hosts"]["lk1"]["roles"].append("lk")
    with pytest.raises(SiteError) as refused:
        make_site(site_data | {"lk": settings})
    assert words in str(refused.value)
