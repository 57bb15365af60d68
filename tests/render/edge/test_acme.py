"""What gets certificates on a host: the units read by systemd, the script run by sh with real certificates."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.slots.active import Active
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.acme.settings import TIMER, UNIT, Settings
from livekit_metal.runtime.host import files
from livekit_metal.site.model import Site
from livekit_metal.vault import certificates
from livekit_metal.vault.certificate import DAY, Certificate
from tests.render.conftest import Verify

NAME = "lk.example.org"
MOST_EXPOSED = 1.6


@pytest.fixture
def acme(certified: Site) -> Settings:
    found = certified.for_host("lk1").acme
    assert found is not None
    return found


def rendered(name: str, acme: Settings) -> str:
    return files.text(f"acme/{name}.j2", acme=acme)


def command(acme: Settings) -> str:
    """What the unit has lego do, in one line."""
    joined = rendered(UNIT, acme).replace("\\\n", " ")
    (line,) = (line for line in joined.splitlines() if line.startswith("ExecStart="))
    return " ".join(line.split())


def test_systemd_takes_the_units_and_finds_the_sandbox_tight(
    acme: Settings, verify_unit: Verify, tmp_path: Path
) -> None:
    (tmp_path / UNIT).write_text(rendered(UNIT, acme))  # the timer starts it
    assert verify_unit(UNIT, rendered(UNIT, acme)) <= MOST_EXPOSED
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / TIMER)]
    (tmp_path / TIMER).write_text(rendered(TIMER, acme))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert TIMER not in done.stderr, done.stderr


def test_over_http_lego_leaves_the_answer_to_haproxy(acme: Settings) -> None:
    assert command(acme) == (
        f"ExecStart=/usr/bin/lego --accept-tos --path {acme.state} "
        "--server https://acme-v02.api.letsencrypt.org/directory --email ops@example.org "
        f"--http --http.webroot {acme.web} --key-type ec256 --domains {NAME} --domains lk1.turn.example.org run"
    )


def test_by_record_lego_is_told_who_writes_it(acme: Settings) -> None:
    dns = {"dns_provider": "rfc2136", "dns_wait": False, "dns_resolvers": ("192.0.2.53:53", "192.0.2.54:53")}
    said = command(dataclasses.replace(acme, challenge="dns", **dns, names_here=("*.example.org",)))
    assert (
        "--dns rfc2136 --dns.disable-cp --dns.resolvers 192.0.2.53:53 --dns.resolvers 192.0.2.54:53 --key-type" in said
    )
    assert "--http" not in said
    assert said.endswith("--domains *.example.org run")


def test_a_shell_reads_the_environment_as_it_was_said(acme: Settings) -> None:
    odd = {"TOKEN": Secret("acme-TOKEN", 'a "b" $c `d` \\ e\'f')}
    full = dataclasses.replace(acme, environment={"URL": "https://x/?a=b&c"}, values=odd, ca="pem", hook="program")
    text = rendered("environment", full)
    script = f"set -a; {{\n{text}\n}}; env"
    said = subprocess.run(["sh", "-c", script], env={}, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"URL=https://x/?a=b&c", "TOKEN=" + odd["TOKEN"].reveal()} <= set(said)
    assert {f"LEGO_CA_CERTIFICATES={full.ca_on_host}", f"EXEC_PATH={full.hook_on_host}"} <= set(said)


class Place:
    """The script with a place of its own, as root would run it; HAProxy does not run there."""

    def __init__(self, acme: Settings, directory: Path) -> None:
        edge = directory / "edge"
        self.served, self.metric, self.state = edge / "acme.pem", edge / "acme.prom", directory / "state"
        self.settings = dataclasses.replace(
            acme,
            served=str(self.served),
            metric_file=str(self.metric),
            active=Active("", str(directory / "no.sock")),
            group="root",
            config_root=str(directory / "config"),
            state_root=str(self.state),
        )
        (directory / "script").write_text(rendered("certificate.sh", self.settings))
        self.script, self.ca = directory / "script", certificates.authority("ca", "test", time.time())

    def run(self, verb: str) -> subprocess.CompletedProcess[str]:
        # chown needs root, and the group of HAProxy; lego's user is not where the tests run
        said = self.script.read_text().replace("chown root:root", ": chown").replace(self.settings.as_user, "")
        return subprocess.run(["sh", "-s", verb], input=said, capture_output=True, text=True, check=False)

    def got(self, days: int = 90, age: int = 0, names: tuple[str, ...] = (), key: str = "") -> Certificate:
        """As lego leaves a certificate that is ``age`` days old."""
        names = names or self.settings.names_here
        made = certificates.leaf(self.ca, "tls", names, days, time.time() - age * DAY)
        place = Path(self.settings.got)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.with_name(f"{place.name}.crt").write_text(made.chain + self.ca.chain)
        place.with_name(f"{place.name}.key").write_text(key or made.key.reveal())
        return made


@pytest.fixture
def place(acme: Settings, tmp_path: Path) -> Place:
    return Place(acme, tmp_path)


def test_before_there_is_a_certificate_something_is_served_that_covers_nothing(place: Place) -> None:
    done = place.run("seed")
    assert done.returncode == 0, done.stderr
    shown = ["openssl", "x509", "-noout", "-subject", "-in", place.served]
    said = subprocess.run(shown, capture_output=True, text=True, check=True)
    assert "no certificate yet" in said.stdout
    assert place.run("covers").returncode != 0
    assert place.run("due").returncode == 0
    before = place.served.read_text()
    place.run("seed")
    assert place.served.read_text() == before, "what is there stays"
    assert place.served.stat().st_mode & 0o777 == 0o640


def test_what_was_served_before_acme_goes_on_until_there_is_better(place: Place) -> None:
    old = place.got()
    place.served.parent.mkdir()
    (place.served.parent / "cert-0123.pem").write_text(old.pem.reveal())
    assert place.run("seed").returncode == 0
    assert place.served.read_text() == old.pem.reveal()
    assert place.run("covers").returncode == 0
    assert place.run("due").returncode == 0, "it is not what was asked for"


def test_what_lego_has_got_comes_into_force_with_its_end_for_prometheus(place: Place) -> None:
    place.run("seed")
    made = place.got()
    done = place.run("take")
    assert done.returncode == 0, done.stderr
    assert place.served.read_text() == f"# request {place.settings.request}\n{made.pem.reveal()}{place.ca.chain}"
    assert f"_seconds {made.not_after}\n" in place.metric.read_text()
    assert place.run("due").returncode == 1
    assert place.run("covers").returncode == 0


@pytest.mark.parametrize(("age", "due"), [(59, 1), (61, 0), (89, 0), (91, 0)])
def test_it_is_due_when_a_third_of_its_life_is_left(place: Place, age: int, due: int) -> None:
    place.run("seed")
    made = place.got(age=age)
    place.served.write_text(f"# request {place.settings.request}\n{made.pem.reveal()}")
    assert place.run("due").returncode == due


def test_it_is_due_when_it_is_asked_for_or_something_else_is_wanted(place: Place) -> None:
    place.run("seed")
    place.got()
    place.run("take")
    again = Path(place.settings.again)
    again.parent.mkdir(parents=True)
    again.touch()
    assert place.run("due").returncode == 0
    place.run("take")
    assert place.run("due").returncode == 1, "asked for once, got once"
    place.served.write_text(place.served.read_text().replace(place.settings.request, "0123456789abcdef"))
    assert place.run("due").returncode == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"names": ("other.example.org",)}, f"it is not for {NAME}"),
        ({"age": 91}, "it has ended"),
        ({"key": "other"}, "its key is another one's"),
        ({"key": "nonsense\n"}, "its key is another one's"),
    ],
)
def test_what_is_not_whole_never_comes_into_force(place: Place, wrong: dict[str, Any], said: str) -> None:
    place.run("seed")
    place.got()
    place.run("take")
    before = place.served.read_text()
    other = certificates.leaf(place.ca, "tls", (NAME,), 90, time.time()).key.reveal()
    place.got(**wrong | ({"key": other} if wrong.get("key") == "other" else {}))
    done = place.run("take")
    assert done.returncode != 0
    assert said in done.stderr
    assert place.served.read_text() == before


def test_the_account_is_laid_out_as_lego_looks_for_it(place: Place) -> None:
    config = Path(place.settings.account_file)
    config.parent.mkdir(parents=True)
    config.write_text("key")
    stale = place.state / "acme/accounts/elsewhere/account.json"
    stale.parent.mkdir(parents=True)
    stale.touch()
    done = place.run("account")
    assert done.returncode == 0, done.stderr
    key = place.state / "acme/accounts/acme-v02.api.letsencrypt.org/ops@example.org/keys/ops@example.org.key"
    assert key.read_text() == "key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert not stale.exists()
    assert Path(place.settings.web).is_dir()


def test_who_calls_it_wrongly_is_told_how(place: Place) -> None:
    place.script.write_text(rendered("certificate.sh", place.settings))
    done = subprocess.run(["sh", place.script, "what"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "take     what lego has just got" in done.stderr
