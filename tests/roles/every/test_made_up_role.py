"""A role that is nothing but a folder and its name in the list: the rest of the house knows it then."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from docs.__main__ import configuration_md
from livekit_metal import roles
from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import Reach
from livekit_metal.core.switches import switches
from livekit_metal.roles.firewall.rules import rules
from livekit_metal.runtime.run.turns import Run
from livekit_metal.site.footprint import footprint
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.support.values.sites import SINGLE

ABOUT = '''
"""A role for a test."""

from collections.abc import Iterator
from dataclasses import dataclass

from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.ports import Port, PortRange, Proto, Reach
from livekit_metal.roles.preflight.settings import Demand
from livekit_metal.roles.prometheus.settings import Target
from livekit_metal.site.model import Role
from livekit_metal.site.paths import Installed


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """Cats on pages."""

    door: PortRange = option(PortRange(9999, 9999), "where cats come in")
    config_root: str = derived("")

    def ports(self) -> Iterator[Port]:
        yield Port("cats", "door", Proto.TCP, self.door, Reach.PUBLIC, "cats", "cats.door")


class Cats(Role[Settings]):
    name = "cats"
    purpose = "cats on pages"
    settings = Settings
    named = True

    def installed(self, site, stack, own):
        ours = {"units": ("livekit-cats.service",), "users": ("cat",)}
        return Installed(packages=("cat-flap",), masked=("cats.service",), **ours)

    def asked(self, site, stack, own):
        return {"demands": (Demand(path="cats.door", what="cats", cores=0.5),)}

    def scraped(self, site, host):
        if host in site.with_role("cats"):
            yield Target(job="cats", host=host, address="127.0.0.1", port=site.of(Settings).door.first)


ROLE = Cats()
'''
TURNS = '''
"""What a deploy does about cats."""

from livekit_metal.runtime.host.state import StateQuery
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Plan, Task


def prepare(run):
    in_parallel(Task("cats", StateQuery(), lambda seen: Plan()), "Cats")


def services(run):
    yield Task("cats", StateQuery(), lambda seen: Plan())
'''
STATUS = '''
"""What status.py shows of cats."""

from livekit_metal.runtime.host.state import StateQuery


def needs(settings):
    return StateQuery(queries=(("cats", "cat"),))


def line(settings, seen):
    return f"cats: {seen.answers['cats'][0]}"
'''
DOCTOR = '''
"""What the doctor asks of cats."""

from livekit_metal.core.check_result import CheckResult
from livekit_metal.runtime.host.state import StateQuery


def needs(settings):
    return StateQuery(queries=(("doctor.cats", "cat"),))


def checks(stack, settings, seen):
    yield CheckResult(check="cats", about=stack.host, vantage=stack.host, said=seen.answers["doctor.cats"][0])
'''


@pytest.fixture
def cats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "more" / "cats"
    folder.mkdir(parents=True)
    for name, text in {"__init__": "", "about": ABOUT, "turns": TURNS, "status": STATUS, "doctor": DOCTOR}.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(roles, "__path__", [*roles.__path__, str(folder.parent)])
    monkeypatch.setattr(roles, "NAMES", (*roles.NAMES, "cats"))
    yield
    for name in [name for name in sys.modules if name.startswith("livekit_metal.roles.cats")]:
        del sys.modules[name]


@pytest.fixture
def site(cats: None, make_site: Callable[[dict[str, Any]], Site]) -> Site:
    host = SINGLE["hosts"]["lk1"]
    return make_site({"hosts": {"lk1": {**host, "roles": [*host["roles"], "cats"]}}, "cats": {"door": 9000}})


def test_an_inventory_may_name_it_and_is_checked(site: Site, make_site: Callable[[dict[str, Any]], Site]) -> None:
    assert site.for_host("lk1").cats.door.first == 9000
    with pytest.raises(SiteError, match=r"cats.dor: unknown key; did you mean 'door'"):
        make_site({**SINGLE, "cats": {"dor": 9000}})


def test_its_port_is_in_the_registry_and_open(site: Site) -> None:
    (port,) = (p for p in site.ports("lk1") if p.owner == "cats")
    assert port.reach is Reach.PUBLIC
    assert "9000" in str(rules(site.for_host("lk1").firewall))


def test_base_preflight_prometheus_and_removal_know_it(site: Site) -> None:
    stack = site.for_host("lk1")
    assert "cat-flap" in stack.base.needed
    assert "cat" in stack.base.users
    assert "livekit-cats.service" in stack.base.daemons
    assert "livekit-cats.service" in stack.preflight.daemons
    assert [demand.what for demand in stack.preflight.demands] == ["cats"]
    assert "cats" in {target.job for target in stack.prometheus.targets}
    gone = footprint(site, stack)
    assert "livekit-cats.service" in gone.units
    assert "cats.service" in gone.masked
    assert "cat" in gone.users


def test_a_deploy_prepares_and_activates_it(site: Site, fake_run: Callable[..., FakeRun]) -> None:
    stack = site.for_host("lk1")
    others = {role.name: None for role in site.roles if role.name != "cats"}
    run = Run(site, dataclasses.replace(stack, **others), switches({}.get))
    assert [task.role for task in run.tasks("services")] == ["cats"]
    assert fake_run(run.prepare).results["lk1"].word == "untouched"


def test_status_and_doctor_ask_it(site: Site) -> None:
    from livekit_metal.diagnosis.on_host import checks, queries  # noqa: PLC0415
    from livekit_metal.runtime.host.state import HostState  # noqa: PLC0415
    from livekit_metal.status import facts  # noqa: PLC0415

    stack = site.for_host("lk1")
    assert dict(facts.needs(site, stack).queries)["cats"] == "cat"
    assert facts.lines(stack, HostState(answers={"cats": ["three"]})) == ("cats: three",)
    assert dict(queries.needs(stack).queries)["doctor.cats"] == "cat"
    answers = {"doctor.cats": ["purring"], "doctor.targets": [], "doctor.answers": []}
    assert ("cats", "purring") in {(f.check, f.said) for f in checks.of_roles(stack, HostState(answers=answers))}


@pytest.mark.usefixtures("cats")
def test_the_documents_have_it() -> None:
    assert "| `door` | port or range | `9999` | where cats come in |" in configuration_md()


def test_without_its_name_in_the_list_there_is_none(make_site: Callable[[dict[str, Any]], Site]) -> None:
    with pytest.raises(SiteError, match="cats: unknown key"):
        make_site({**SINGLE, "cats": {}})
