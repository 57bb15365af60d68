"""Settings of agents: bad input is told in plain words, all at once, before a host is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.roles.agents import source
from livekit_metal.roles.agents.settings import Settings
from livekit_metal.runtime.slots.components import changed, components
from livekit_metal.site.model import Site
from tests.support.values.agents import talking
from tests.support.values.sites import CLUSTER, SINGLE

Make = Callable[[dict[str, Any]], Site]
LOCK = "livekit-agents==1.8.9 \\\n    --hash=sha256:" + "ab" * 32 + "\n"


def said(make_site: Make, data: dict[str, Any]) -> list[str]:
    with pytest.raises(SiteError) as refused:
        make_site(data)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("fleets", "words"),
    [
        (
            {"Echo": {}},
            ["agents.Echo: 'Echo' is not a name for a fleet; use 16 lower-case letters, digits and dashes at most"],
        ),
        ({"echo": {"hosts": ["lk2"]}}, ["agents.echo.hosts[0]: lk2 is not a host with the role agents; give the host "
          "the role, or name one of: lk1"]),
        ({"echo": {"environment": {"LIVEKIT_URL": "ws://x"}}}, ["agents.echo.environment.LIVEKIT_URL: is set by "
          "livekit-metal; use the setting that owns it"]),
        ({"echo": {"environment": {"A": "b"}, "secrets": ["A"]}}, ["agents.echo.secrets: A is in environment, too; "
          "keep one of them"]),
        ({"echo": {"load_threshold": 1.5}}, ["agents.echo.load_threshold: is 1.5; write a share above 0, 1 at most"]),
        ({"echo": {"idle": -1}}, ["agents.echo.idle: is -1; write how many processes wait for a job"]),
        ({"echo": {"drain": {"deadline": "5s"}}}, ["agents.echo.drain.deadline: is 5s; give jobs at least 10s"]),
        ({"echo": {"secret": ["A"]}}, ["agents.echo.secret: unknown key; did you mean 'secrets'?"]),
        ({"echo": {"health": 9610}}, ["agents.echo.health: has 1 ports for 3 slots; widen it"]),
    ],
)  # fmt: skip
def test_a_fleet_that_cannot_be_is_told(make_site: Make, fleets: dict[str, Any], words: list[str]) -> None:
    assert said(make_site, talking(CLUSTER, **fleets)) == words


def test_two_fleets_on_one_host_need_ports_of_their_own(make_site: Make) -> None:
    problems = said(make_site, talking(echo={}, sales={}))
    assert len(problems) == 3, "one for each slot"
    assert all("agents.echo.health" in each and "agents.sales.health" in each for each in problems), problems
    site = make_site(talking(echo={}, sales={"health": "9620-9622"}))
    assert list(components(site.for_host("lk1")))[-2:] == ["agents-echo", "agents-sales"]


def test_a_key_that_is_no_setting_of_the_role_is_a_fleet(make_site: Make) -> None:
    data = talking() | {"agents": {"ecko": 3}}
    assert said(make_site, data) == ["agents.ecko: is 3 (int); make it a mapping of settings"]


def test_a_fleet_is_where_it_is_named_and_each_host_has_an_edge_for_it(make_site: Make) -> None:
    data = talking(CLUSTER, echo={"hosts": ["lk3"]}, sales={"health": "9620-9622"})
    data["hosts"]["lk3"]["roles"] = ["agents"]
    site = make_site(data)
    assert list(components(site.for_host("lk3"))) == ["agents-echo", "agents-sales"]
    assert list(components(site.for_host("lk1"))) == ["livekit", "agents-sales"]
    alone = site.for_host("lk3")
    assert alone.of(Settings)
    assert getattr(alone, "edge", None), "workers reach every node through the edge of their host"
    assert "lk3" not in str(site.for_host("lk1").redis.daemon_passwords), "they do not need Redis"
    assert "agents" not in site.for_host("lk1").redis.callers
    assert "agents" in site.for_host("lk1").edge.callers


def test_a_rollback_changes_the_settings_of_one_fleet(make_site: Make) -> None:
    site = make_site(talking(echo={}, sales={"health": "9620-9622"}))
    then = changed(site, "agents-sales", {"slots": ("x", "y")}).of(Settings)
    assert [each.slots for each in then.daemons] == [("a", "b", "c"), ("x", "y")]
    assert changed(site, "livekit", {"slots": ("x", "y")}).for_host("lk1").ports
    with pytest.raises(LookupError):
        changed(site, "agents-none", {})


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        (None, "has no requirements.txt and no uv.lock; write it: uv pip compile"),
        ("livekit-agents\n", "'livekit-agents' without a version (==)"),
        ("livekit-agents>=1.8\n", "'livekit-agents>=1.8' without a version (==)"),
        ("livekit-agents==1.*\n", "without a version (==)"),
        ("livekit-agents==1.8.9\n", "'livekit-agents==1.8.9' without a hash"),
        (f"-e .\n{LOCK}", "has the option -e"),
        (f"--index-url https://x\n{LOCK}", "has the option --index-url"),
    ],
)
def test_a_lock_that_is_none_is_told(make_site: Make, tmp_path: Path, lock: str | None, words: str) -> None:
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot/agent.py").write_text("")
    if lock is not None:
        (tmp_path / "bot/requirements.txt").write_text(lock)
    (problem,) = said(make_site, talking(echo={"source": {"python": "bot"}}))
    assert problem.startswith(f"agents.echo.source.python: {tmp_path}/bot/") or lock is None, problem
    assert words in problem


def test_directory_entry_point_and_python_must_fit(make_site: Make, tmp_path: Path) -> None:
    assert "is not a directory" in said(make_site, talking(echo={"source": {"python": "nowhere"}}))[0]
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot/requirements.txt").write_text(LOCK)
    bot = {"python": "bot"}
    assert "has no agent.py" in said(make_site, talking(echo={"source": bot}))[0]
    assert "is 'agent'" in said(make_site, talking(echo={"source": bot | {"entrypoint": "agent"}}))[0]
    assert "is '../a.py'" in said(make_site, talking(echo={"source": bot | {"entrypoint": "../a.py"}}))[0]
    (tmp_path / "bot/agent.py").write_text("")
    (tmp_path / "bot/pyproject.toml").write_text('[project]\nname = "x"\nrequires-python = ">=3.13"\n')
    assert said(make_site, talking(echo={"source": bot})) == [
        "agents.echo.source.interpreter: is 3.11, and pyproject.toml asks for >=3.13; name the Python of the hosts, "
        "or change requires-python"
    ]
    assert make_site(talking(echo={"source": bot | {"interpreter": "3.13"}}))


def test_what_is_no_part_of_the_code_does_not_go_to_hosts(tmp_path: Path) -> None:
    keys = (".npmrc", "pkg/.npmrc", ".pypirc", ".netrc", ".env", ".env.local", "pkg/.env")
    for name in ("agent.py", ".git/config", "__pycache__/agent.pyc", "pkg/mod.py", ".venv/bin/python", *keys):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [str(each.relative_to(tmp_path)) for each in source.files(tmp_path)] == ["agent.py", "pkg/mod.py"]


def test_a_site_without_agents_says_nothing_of_them(make_site: Make) -> None:
    site = make_site(SINGLE)
    assert "agents" not in site.for_host("lk1").edge.callers, "rules of the firewall stay as they were"
    assert site.for_host("lk1").agents is None
