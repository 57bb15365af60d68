"""Kamailio's files, read by Kamailio itself."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.kamailio.settings import Registration, Settings
from livekit_metal.roles.kamailio.tasks import _service
from livekit_metal.runtime.host.files import File, text
from livekit_metal.site.model import Site
from tests.render.conftest import Verify

EXPOSURE = 1.3
REGISTERED = Registration(
    trunk="carrier",
    registrar="sip.example.org:5070",
    domain="example.org",
    user="4930",
    password=Secret("x", "a:b\\c"),
    expires=600,
)


@pytest.fixture(params=["plain", "all"])
def kamailio(request: pytest.FixtureRequest, phones: Site) -> Settings:
    """As the site has it, and with certificates and a registration."""
    found = phones.for_host("lk1").kamailio
    assert found
    if request.param == "plain":
        return found
    return dataclasses.replace(
        found,
        address="127.0.0.1",
        public_address="198.51.100.77",
        registrations=(REGISTERED,),
        certificate="/etc/x/cert.pem",
        certificate_key="/etc/x/key.pem",
    )


def made(settings: Settings) -> dict[str, File]:
    return {f.path.rsplit("/", 1)[1]: f for f in _service(settings).all_files}


def check(program: str, config: str, directory: Path) -> subprocess.CompletedProcess[str]:
    file = directory / "kamailio.cfg"
    file.write_text(config)
    return subprocess.run([program, "-c", "-f", str(file)], capture_output=True, text=True, check=False)


def test_kamailio_understands_its_configuration(
    kamailio: Settings, program: Callable[[str, str], str], tmp_path: Path
) -> None:
    found, config = program("kamailio", "kamailio"), made(kamailio)["kamailio.cfg"].text
    done = check(found, config, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "config file ok" in done.stderr
    assert f"{kamailio.address} [{kamailio.address}]:{kamailio.port}" in done.stdout + done.stderr
    assert check(found, config.replace("record_route();", "record_rout();"), tmp_path).returncode != 0, "it would tell"


def test_who_may_call_is_one_line_per_network(kamailio: Settings) -> None:
    lines = [line for line in made(kamailio)["sources"].text.splitlines() if not line.startswith("#")]
    assert lines == ["1 198.51.100.0 24 0 +15550100,+15550101", "1 203.0.113.7 32 0 *", "1 192.0.2.128 25 0 -"]


def test_secrets_stand_in_files_that_nobody_else_reads(kamailio: Settings) -> None:
    for name, file in made(kamailio).items():
        if name in ("sources", "uacreg"):
            assert (file.secret, file.mode, file.group) == (True, "640", "kamailio")
        else:
            assert not re.search(r"\+1555|a:b", file.text), name


def test_a_registration_is_a_row_of_its_table_with_its_marks_escaped(kamailio: Settings) -> None:
    files = made(dataclasses.replace(kamailio, registrations=(REGISTERED,)))
    head, row = files["uacreg"].text.splitlines()
    fields = re.split(r"(?<!\\):", row)
    named = dict(zip(re.findall(r"(\w+)\(", head), fields, strict=True))
    assert named["auth_password"] == r"a\:b\\c"
    assert named["auth_proxy"] == r"sip\:sip.example.org\:5070"
    assert (named["l_uuid"], named["r_username"], named["r_domain"]) == ("carrier", "4930", "example.org")


def test_the_unit_is_sound_for_systemd_and_tight(kamailio: Settings, verify_unit: Verify) -> None:
    unit = text("kamailio/livekit-kamailio.service.j2", kamailio=kamailio)
    assert verify_unit("livekit-kamailio.service", unit) <= EXPOSURE


@pytest.mark.parametrize("name", ["dispatch.sh", "reread.sh"])
def test_scripts_are_shell(kamailio: Settings, name: str) -> None:
    done = subprocess.run(["sh", "-n"], input=made(kamailio)[name].text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
