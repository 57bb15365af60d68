"""procedures/collect.py on a host that has every secret of the site in its journal: none of them is in the archive."""

from __future__ import annotations

import base64
import tarfile
from pathlib import Path
from urllib.parse import quote

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.support.hosts.deploys import Deploy
from tests.support.hosts.lab import INVENTORY

UNIT = "livekit-collect-test"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl"


@pytest.fixture(scope="module")
def forms(site: Site) -> list[str]:
    """Every value of the vault as it is, encoded for a URL, and in Base64, also as the password of a user."""
    assert site.vault is not None
    values = site.vault.every_value()
    encoded = [base64.b64encode(f"{'x' * n}{value}".encode()).decode() for value in values for n in range(3)]
    return [*values, *(quote(value, safe="") for value in values), *encoded]


@pytest.fixture(scope="module")
def archive(first: Host, forms: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is in it: names of files and their texts."""
    first.check_output("systemd-run --quiet --wait --unit=%s printf '%%s\\n' %s", UNIT, "\n".join([*forms, TOKEN]))
    path: Path = tmp_path_factory.mktemp("collect") / "it.tar.gz"
    told = Deploy(INVENTORY, "--data", f"to={path}", "--data", "since=1h", plan="procedures/collect.py").end()
    assert told.status == 0, told.text
    assert f"wrote {path}" in told.text
    assert path.stat().st_mode & 0o777 == 0o600
    found = {}
    with tarfile.open(path) as tar:
        for each in tar:
            file = tar.extractfile(each)
            assert file is not None
            found[each.name] = file.read().decode()
    return found


def test_no_secret_is_in_it(archive: dict[str, str], forms: list[str]) -> None:
    whole = "\n".join([*archive, *archive.values()])
    cores = [form[4:-4] for form in forms]  # at both ends of Base64 a neighbour has a part of a character
    assert not [core for core in cores if core in whole]
    assert TOKEN not in whole


def test_what_a_bug_report_needs_is(archive: dict[str, str], first: Host, site: Site) -> None:
    name = next(iter(site.hosts))
    files = {each.removeprefix(f"livekit-metal/hosts/{name}/"): text for each, text in archive.items()}
    assert first.check_output("uname -r") in files["system.txt"]
    assert "table inet livekit_metal" in files["firewall.txt"]
    assert "livekit-server@" in files["services.txt"]
    assert '"msg":"starting LiveKit server"' in files["journal.txt"]
    assert files["journal.txt"].count(UNIT) or "printf" in files["journal.txt"], "what was planted was collected"
    assert "livekit-server.service" not in files["doctor.txt"]
    assert "reach " in files["doctor.txt"]
    assert f'"{name}"' in files["status.json"]
    assert '"what": ' in files["audit.log"]
