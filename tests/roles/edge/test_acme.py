"""What the acme role plans from what it sees."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import pytest
from pyinfra.api.exceptions import PyinfraError

from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.acme.settings import TIMER, UNIT, USER, Settings
from livekit_metal.roles.acme.tasks import _files, activate, obtain, prepare, renew, retire
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.task import Plan, Task
from livekit_metal.site.model import Site
from livekit_metal.vault.certificate import DAY
from tests.roles.conftest import FakeRun
from tests.roles.wanted import look, names

SEED = "something to serve until there is a certificate"
REMOVED = [f"stop {TIMER}", "remove ACME"]


@pytest.fixture
def acme(certified: Site) -> Settings:
    found = certified.for_host("lk1").acme
    assert found is not None
    return found


def host(acme: Settings) -> HostState:
    """A host where all is up to date: its certificate is of today."""
    wanted, now = _files(acme), int(time.time())
    seen = HostState(
        files={f.path: f.sha256 for f in wanted} | {acme.served: "its", acme.metric_file: "its"},
        stat={f.path: (f.mode, f.user, f.group) for f in wanted} | {acme.state: ("700", USER, USER)},
        units={TIMER: {"ActiveState": "active", "UnitFileState": "enabled"}},
    )
    lies = [f"request {acme.request}", f"startdate {now}", f"enddate {now + 90 * DAY}", "is AB12"]
    seen.answers |= {"acme.lies": lies, "acme.loaded": ["AB12"], "acme.why": []}
    return seen


def plan(part: Task, seen: HostState) -> tuple[list[str], tuple[str, ...]]:
    todo = part.plan(seen)
    return names(todo), part.closing(seen)


def get(acme: Settings) -> str:
    return f"get a certificate from {acme.url}"


def test_a_fresh_host_gets_all_of_it_before_haproxy_starts(acme: Settings) -> None:
    assert names(activate(acme).plan(HostState())) == [
        f"write {UNIT}, {TIMER}, certificate.sh, environment and 1 more",
        f"make {acme.state}",
        f"start {TIMER}",
        SEED,
    ]
    assert plan(obtain(acme), HostState())[0] == [get(acme)]


def test_a_host_as_wanted_is_left_alone(acme: Settings) -> None:
    assert activate(acme).plan(host(acme)) == Plan()
    assert plan(obtain(acme), host(acme)) == ([], ())


def test_a_timer_that_was_stopped_is_started(acme: Settings) -> None:
    seen = host(acme)
    seen.units[TIMER]["ActiveState"] = "inactive"
    assert names(activate(acme).plan(seen)) == [f"start {TIMER}"]


def test_a_certificate_that_was_removed_is_replaced_by_something_to_start_with(acme: Settings) -> None:
    seen = host(acme)
    del seen.files[acme.served]
    seen.answers["acme.lies"] = []
    assert names(activate(acme).plan(seen)) == [SEED]
    assert plan(obtain(acme), seen)[0] == [get(acme)]


@pytest.mark.parametrize("changed", [{"directory": "letsencrypt-staging"}, {"names_here": ("other.example.org",)}])
def test_another_ca_or_other_names_are_another_certificate(acme: Settings, changed: dict[str, object]) -> None:
    other = dataclasses.replace(acme, **changed)  # type: ignore[arg-type]
    assert plan(obtain(other), host(acme))[0] == [get(other)]


def test_one_that_has_ended_is_replaced_and_one_that_is_only_due_is_the_timers(acme: Settings) -> None:
    seen, now = host(acme), int(time.time())
    seen.answers["acme.lies"][1:3] = [f"startdate {now - 90 * DAY}", f"enddate {now - 5}"]
    assert plan(obtain(acme), seen)[0] == [get(acme)]
    seen.answers["acme.lies"][1:3] = [f"startdate {now - 62 * DAY}", f"enddate {now + 28 * DAY}"]
    assert plan(obtain(acme), seen) == ([], ())


def test_a_reload_that_got_lost_is_made_up_for(acme: Settings) -> None:
    seen = host(acme)
    seen.answers["acme.loaded"] = ["CD34"]
    assert plan(obtain(acme), seen)[0] == ["HAProxy takes its certificate"]
    seen.answers["acme.loaded"] = []
    assert plan(obtain(acme), seen)[0] == [], "one that does not run reads it when it starts"


def test_a_renewal_that_failed_is_told_with_its_reason(acme: Settings) -> None:
    seen = host(acme)
    seen.answers["acme.why"] = ["Could not create client: connection refused"]
    steps, (note,) = plan(obtain(acme), seen)
    assert steps == []
    assert note.startswith("a certificate was not to be had (Could not create client: connection refused); the one ")
    assert note.endswith(f"in 89 days; journalctl -u {UNIT}")


def test_one_that_nobody_renews_is_told(acme: Settings) -> None:
    seen, now = host(acme), int(time.time())
    seen.answers["acme.lies"][1:3] = [f"startdate {now - 70 * DAY}", f"enddate {now + 20 * DAY}"]
    (note,) = plan(obtain(acme), seen)[1]
    assert note.startswith("the certificate should have been renewed by now; the one that is served ends on ")


def test_another_is_got_when_asked_for(acme: Settings) -> None:
    assert names(renew(acme).plan(host(acme))) == ["ask for another certificate", get(acme)]
    with pytest.raises(HostError, match="deploy: that gets one"):
        renew(acme).plan(HostState())


def test_nothing_stays_where_it_is_not_wanted(acme: Settings) -> None:
    assert names(retire(acme).plan(host(acme))) == REMOVED
    assert retire(acme).plan(HostState()) == Plan()
    left = HostState(files={f"{UNITS}/{TIMER}": "its"})
    assert names(retire(acme).plan(left)) == REMOVED, "a run that was killed goes on"


def test_what_nobody_has_stored_is_named_before_anything_changes(acme: Settings) -> None:
    prepare(acme)
    lacking = dataclasses.replace(acme, secrets=("HETZNER_API_KEY",))
    with pytest.raises(
        PyinfraError, match=r"nothing was changed\nacme.secrets: there is no password acme-HETZNER_API_KEY"
    ):
        prepare(lacking)
    prepare(dataclasses.replace(lacking, wanted=False))


@pytest.mark.parametrize(
    ("covered", "must", "word"), [(True, False, "done"), (True, True, "failed"), (False, False, "failed")]
)
def test_a_ca_that_gives_nothing_stops_only_who_has_nothing_to_go_on_with(
    acme: Settings, fake_run: Callable[..., FakeRun], covered: bool, must: bool, word: str
) -> None:
    seen = look(host(acme)) if must else "#end"

    def answer(_host: str, command: str) -> str | None:
        if "sh -s" in command:
            return seen
        if "systemctl start" in command or ("covers" in command and not covered):
            return None
        return ""

    done = fake_run(lambda: one_by_one("Certificates", (renew if must else obtain)(acme)), answer=answer)
    assert done.results["lk1"].word == word


def test_no_secret_is_in_a_command(acme: Settings, fake_run: Callable[..., FakeRun]) -> None:
    secret = dataclasses.replace(acme, values={"TOKEN": Secret("acme-TOKEN", "do not show")})
    assert acme.account is not None
    done = fake_run(lambda: one_by_one("acme", activate(secret)), answer=lambda _h, c: "#end" if "sh -s" in c else "")
    commands = "".join(done.commands["lk1"])
    assert "certificate.sh" in commands
    assert "do not show" not in commands
    assert acme.account.reveal().splitlines()[1] not in commands
