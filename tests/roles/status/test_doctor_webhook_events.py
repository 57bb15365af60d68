"""Test events to webhooks: what a receiver that checks signatures gets, and what the doctor makes of its answers."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from livekit import api

from livekit_metal.core.check_result import CheckResult, Result
from livekit_metal.core.switches import Switches
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.livekit import doctor, webhooks
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import Site
from livekit_metal.vault import certificates
from tests.support.application import KEY, SECRET, Application, running

ASKED = Switches(webhooks=True)


@dataclasses.dataclass
class Host:
    """A host that has the site's first, as far as a question goes: this machine, with a systemctl of the test's."""

    site: Site
    directory: Path

    def ask(self, *urls: str, given: Switches = ASKED, key: str = SECRET, **slot: str) -> list[CheckResult]:
        """The rows about events, from what the question's own shell text says here."""
        stack = self.site.for_host("lk1")
        keys = {KEY: Secret("key", key)} if key else {}
        own = dataclasses.replace(stack.the(Settings), webhooks=urls, api_keys=keys)
        with self._slot(**slot) as environment:
            answers = {}
            for name, text in (doctor.needs(own) | doctor.requested(own, given)).queries:
                # as a look has it (runtime/host/scripts/look.sh)
                given_to = {"input": f"eval {shlex.quote(text)} </dev/null", "env": environment}
                done = subprocess.run(["sh", "-s"], capture_output=True, text=True, check=True, **given_to)
                answers[name] = done.stdout.splitlines()
        return [r for r in doctor.checks(stack, own, HostState(answers=answers)) if r.check == "webhook-event"]

    @contextmanager
    def _slot(self, trusting: str = "", claims: str = "") -> Iterator[dict[str, str]]:
        """The environment where a slot's unit gives it CAs in ``trusting``; its process says ``claims`` of that."""
        fake = self.directory / "systemctl"
        slot = subprocess.Popen(["/bin/sleep", "60"], env={"SSL_CERT_DIR": claims or trusting})
        given = f"Environment=LKM_STAMP=x{f' SSL_CERT_DIR={trusting}' if trusting else ''}"
        drains = "MainPID=1\nEnvironment=LKM_STAMP=w SSL_CERT_DIR=/nonexistent\nActiveState=deactivating"
        blocks = f"{drains}\n\nMainPID={slot.pid}\n{given}\nActiveState=active\n\nMainPID=0\nActiveState=inactive"
        fake.write_text(f"#!/bin/sh\ncat <<'E'\n{blocks}\nE\n")
        fake.chmod(0o755)
        try:
            yield {"PATH": f"{self.directory}:/usr/sbin:/usr/bin:/sbin:/bin"}
        finally:
            slot.kill()
            slot.wait()


@pytest.fixture
def host(
    make_site: Callable[[dict[str, Any]], Site],
    site_data: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Host:
    monkeypatch.setattr(webhooks, "WITHIN", 60)  # a busy machine is no slow application
    return Host(make_site(site_data), tmp_path)


def failing(rows: list[CheckResult], *words: str) -> CheckResult:
    (row,) = rows
    assert row.result is Result.FAILED, row
    for word in words:
        assert word in f"{row.said}; {row.remedy}", row
    return row


def test_a_receiver_takes_the_event_as_one_of_livekit_servers(host: Host) -> None:
    before = int(time.time())
    with running(Application()) as app:
        (row,) = host.ask(f"http://127.0.0.1:{app.port}/hook?a=1&b=2")
    assert row.result is Result.OK
    assert row.said.startswith(f"http://127.0.0.1:{app.port}/hook?a=1&b=2 says HTTP 200 (OK), from 127.0.0.1 after ")
    (event,) = app.got
    assert event.event == "test"
    assert event.id.startswith("EV_")
    assert before <= event.created_at <= time.time()
    (head,) = app.heads
    assert head["Content-Type"] == "application/webhook+json"
    assert head["User-Agent"] == "LiveKit"
    claims = api.TokenVerifier(KEY, SECRET).verify(head["Authorization"])
    assert claims.video == api.VideoGrants(), "it lets nobody do anything"
    assert app.seen
    assert not [words for words in app.seen if head["Authorization"] in words], "others may read the words of a process"


def test_each_url_gets_an_event_of_its_own_at_once(host: Host) -> None:
    with running(Application()) as one, running(Application(status=500)) as other:
        rows = host.ask(f"http://127.0.0.1:{one.port}/", f"http://127.0.0.1:{other.port}/", "http://127.0.0.1:1/")
    assert [row.result for row in rows] == [Result.OK, Result.FAILED, Result.FAILED]
    assert one.got[0].id != other.got[0].id


def test_nothing_is_sent_unless_it_is_asked_for(host: Host) -> None:
    with running(Application()) as app:
        assert host.ask(f"http://127.0.0.1:{app.port}/", given=Switches()) == []
    assert app.got == []
    assert app.heads == []


@pytest.mark.parametrize(
    ("app", "words"),
    [
        (Application(secret="another secret of thirty-two chars"), ("HTTP 401", "verification failed", f"key {KEY}")),
        (Application(status=403), ("HTTP 403 (Forbidden)", '"thanks"', f"key {KEY}")),
        (Application(status=404), ("HTTP 404 (Not Found)", "correct the path")),
        (Application(status=400), ("HTTP 400", "it is not sent again", "see the application's own log")),
        (Application(status=500), ("HTTP 500", "tries a few times more and then drops it")),
        (Application(status=429), ("HTTP 429", "tries a few times more and then drops it")),
        (Application(status=501), ("HTTP 501", "it is not sent again")),
        (Application(status=302, leads="/new"), ("HTTP 302", "asks with GET", "/new into livekit.webhooks")),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Application) else "",
)
def test_an_answer_that_takes_no_event_is_told(host: Host, app: Application, words: tuple[str, ...]) -> None:
    with running(dataclasses.replace(app, got=[], heads=[], seen=[], over=threading.Event())) as own:
        failing(host.ask(f"http://127.0.0.1:{own.port}/hook"), *words)


def test_a_redirect_that_keeps_the_event_is_a_note(host: Host) -> None:
    with running(Application(status=308, leads="/new")) as app:
        (row,) = host.ask(f"http://127.0.0.1:{app.port}/hook")
    assert row.result is Result.NOTE
    assert row.remedy == f"write http://127.0.0.1:{app.port}/new into livekit.webhooks"


def test_what_an_answer_has_in_it_stays_one_short_line(host: Host) -> None:
    app = Application(status=500, says=b"\x1b[31m first\nreach lk1 controller ok\n" + b"x" * 100_000)
    with running(app):
        row = failing(host.ask(f"http://127.0.0.1:{app.port}/"))
    assert len(row.said) < 600
    assert "\n" not in row.said
    assert "\x1b" not in row.said


def test_an_application_that_says_nothing_is_told_after_a_while(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "WITHIN", 4)
    with running(Application(silent=True)) as app:
        words = ("takes the event at 127.0.0.1 and says nothing within 4 s", "answer at once")
        failing(host.ask(f"http://127.0.0.1:{app.port}/"), *words)


def test_an_address_that_never_answers_is_told_from_one_that_refuses(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "WITHIN", 4)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        for _ in range(4):  # the kernel takes one or two, and drops the rest
            link = waiting.enter_context(socket.socket())
            link.setblocking(False)
            link.connect_ex(full.getsockname())
        failing(host.ask(f"http://127.0.0.1:{full.getsockname()[1]}/"), "no event gets from here", "see the firewalls")
    failing(host.ask("http://127.0.0.1:1/"), "no event gets from here", "see that it runs")


def test_a_name_that_leads_nowhere_is_told(host: Host) -> None:
    failing(host.ask("http://no-such-name.invalid/hook"), "no-such-name.invalid: it asks /etc/hosts and DNS")


def test_a_name_that_only_the_hosts_libc_finds_leads_nowhere(host: Host) -> None:
    """Through mDNS and the like; Go asks /etc/hosts and DNS by itself."""
    (host.directory / "getent").write_text("#!/bin/sh\nexit 2\n")
    (host.directory / "getent").chmod(0o755)
    with running(Application()) as app:
        failing(host.ask(f"http://localhost:{app.port}/"), "finds no address of localhost")


@pytest.fixture
def authority() -> Any:
    return certificates.authority("tls-ca", "a private CA", time.time())


def served(authority: Any, directory: Path, *names: str) -> Path:
    file = directory / f"{names[0]}.pem"
    file.write_text(certificates.leaf(authority, "hook", names, 30, time.time()).pem.reveal())
    return file


def test_a_ca_is_trusted_where_the_slot_that_runs_does(host: Host, authority: Any, tmp_path: Path) -> None:
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "ca.pem").write_text(authority.chain)
    with running(Application(), served(authority, tmp_path, "localhost", "127.0.0.1")) as app:
        url = f"https://localhost:{app.port}/hook"
        row = failing(host.ask(url), f"livekit-server does not trust {url} at 127.0.0.1", "the site's `trust`")
        assert "by a private CA: " in row.said
        assert "unable to get local issuer certificate" in row.said
        failing(host.ask(url, claims=str(trust)), "does not trust")  # a process writes there what it likes
        rows = host.ask(url, f"https://127.0.0.1:{app.port}/", trusting=str(trust))
    assert [row.result for row in rows] == [Result.OK] * 2, rows
    assert "certificate of DNS:localhost, IP Address:127.0.0.1, until " in rows[0].said
    assert ", by a private CA: 0 (ok)" in rows[0].said
    assert ", TLS " in rows[0].said
    assert len(app.got) == 2


def test_a_certificate_for_another_name_is_told(host: Host, authority: Any, tmp_path: Path) -> None:
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "ca.pem").write_text(authority.chain)
    with running(Application(), served(authority, tmp_path, "app.example.org")) as app:
        said = host.ask(f"https://localhost:{app.port}/", trusting=str(trust))
        row = failing(said, "does not trust", "for that name")
    assert "certificate of DNS:app.example.org" in row.said
    assert app.got == []


def test_a_name_in_cn_alone_is_not_taken(host: Host, tmp_path: Path) -> None:
    """By OpenSSL it is, by Go it is not."""
    pem, trust = tmp_path / "cn.pem", tmp_path / "trust"
    trust.mkdir()
    made = "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=localhost"
    command = [*made.split(), "-keyout", str(pem), "-out", str(trust / "ca.pem")]
    subprocess.run(command, check=True, capture_output=True)
    pem.write_text(pem.read_text() + (trust / "ca.pem").read_text())
    with running(Application(), pem) as app:
        failing(host.ask(f"https://localhost:{app.port}/", trusting=str(trust)), "in CN alone", "subjectAltName")


def test_tls_at_a_port_without_it_is_told(host: Host) -> None:
    with running(Application()) as app:
        failing(host.ask(f"https://localhost:{app.port}/"), "no event gets from here", "see that TLS is spoken")


def test_without_webhooks_or_keys_it_says_so(host: Host) -> None:
    (row,) = host.ask()
    assert (row.result, row.said) == (Result.NOTE, "the site has no webhooks")
    failing(host.ask("http://127.0.0.1:1/", key=""), "nothing could be sent")
