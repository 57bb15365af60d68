"""What is wrong with an inventory or the secrets is told before any host is touched."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.deploys import Told, deploy, plain, variant
from tests.support.lab import ROOT

FIRST = next(iter(plain()["hosts"]))

ROWS: dict[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "unknown key": (
        {"livekit": {"log_levle": "info"}},
        ("livekit.log_levle: unknown key; did you mean 'log_level'?",),
    ),
    "unknown key at the top": ({"livkit": {}}, ("livkit: unknown key; did you mean 'livekit'?",)),
    "overlapping ranges": (
        {"redis": {"port": 17881}, "livekit": {"ice_tcp": "17881-17883"}},
        ("redis.port: ", "livekit.ice_tcp", "17881"),
    ),
    "unknown version": (
        {"livekit": {"release": "1.13.99"}},
        ("livekit.release: livekit-server 1.13.99 is not known; the nearest known version is 1.13.",),
    ),
    "a certificate that is not there": (
        {"edge": {"tls": "provided", "domain": "lk.example.org", "certificate": "/none/lk.pem", "key": "/none/lk.key"}},
        ("edge.certificate: /none/lk.pem: No such file or directory; name a file that you may read",),
    ),
    "TURN over TLS without TLS": (
        {"edge": {"tls": "off"}, "livekit": {"turn": {"domain": "turn.example.org"}}},
        ("livekit.turn.domain: is set and edge.tls is 'off'; set edge.tls",),
    ),
    "unknown host role": ({"hosts": {FIRST: {"roles": ["livekit", "redi"]}}}, ("choose one of livekit, egress",)),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_mistake_is_told(row: str, change: Change, untouched: AbstractContextManager[None]) -> None:
    settings, words = ROWS[row]
    with untouched:
        deploy(change(settings)).refused(*words)


def test_all_mistakes_are_told_at_once(change: Change, untouched: AbstractContextManager[None]) -> None:
    with untouched:
        told = deploy(change({"livekit": {"log_levle": "info"}, "redis": {"max_memory": 1}}))
    told.refused("livekit.log_levle: unknown key")
    told.refused("redis.max_memory: unknown key; did you mean 'max_memory_mb'?")


def test_a_build_with_another_sum_is_refused(
    change: Change, tmp_path: Path, untouched: AbstractContextManager[None]
) -> None:
    program = tmp_path / "livekit-server"
    program.write_bytes(b"not the build you mean")
    own = {"source": "file", "release": "1.13.5-own", "file": str(program), "sha256": "0" * 64}
    with untouched:
        deploy(change({"livekit": own})).refused("livekit.sha256: ", "expected " + "0" * 64, str(program))


def test_an_archive_with_another_sum_is_refused(
    change: Change, tmp_path: Path, untouched: AbstractContextManager[None]
) -> None:
    """The cache holds, at the place for archives that were brought by hand, one that is not upstream's."""
    for arch in ("amd64", "arm64"):
        place = tmp_path / "livekit-metal/artifacts/archives/livekit-server-1.13.7"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"livekit_1.13.7_linux_{arch}.tar.gz").write_bytes(b"not upstream's")
    file = change({"livekit": {"source": "archive", "release": "1.13.7"}})
    with untouched:
        told = deploy(file, XDG_CACHE_HOME=str(tmp_path))
    told.refused("livekit.release: ", "sha256", "expected", str(place))


def _key(path: Path, text: str) -> str:
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


def test_a_missing_secrets_key_is_told(change: Change, tmp_path: Path, untouched: AbstractContextManager[None]) -> None:
    with untouched:
        deploy(change({"secrets_key": str(tmp_path / "none.key")})).refused("secrets: ", "there is no key", "none.key")
    assert not (tmp_path / "none.key").exists(), "a new key opens no file that is there already"


def test_a_wrong_secrets_key_is_told(change: Change, tmp_path: Path, untouched: AbstractContextManager[None]) -> None:
    wrong = _key(tmp_path / "wrong.key", secrets.token_urlsafe(32))
    with untouched:
        deploy(change({"secrets_key": wrong})).refused("secrets: ", "wrong.key holds key", "put the key there")


def test_a_short_secrets_key_is_told(change: Change, tmp_path: Path, untouched: AbstractContextManager[None]) -> None:
    short = _key(tmp_path / "short.key", "hunter2")
    with untouched:
        told = deploy(change({"secrets_key": short}))
    told.refused("secrets: ", "short.key is shorter than 32 characters")
    assert "hunter2" not in told.text


def test_a_second_controller_without_the_secrets_file_is_refused(
    change: Change, tmp_path: Path, untouched: AbstractContextManager[None]
) -> None:
    """It would make new secrets, and with them lock every application out."""
    mine = {"secrets": str(tmp_path / "second.secrets"), "secrets_key": str(tmp_path / "second.key")}
    with untouched:
        deploy(change(mine)).refused("secrets", "second.secrets")
    assert not (tmp_path / "second.secrets").exists()


def _import(inventory: Path, secret: str) -> Told:
    words = [sys.executable, "-m", "procedures.secrets", str(inventory), "import-key", "APIimported"]
    done = subprocess.run(words, cwd=ROOT, input=secret, capture_output=True, text=True, check=False)
    return Told(done.returncode, done.stdout + done.stderr)


def test_an_imported_api_secret_that_is_too_short_is_refused(
    tmp_path: Path, site: Site, untouched: AbstractContextManager[None]
) -> None:
    assert site.vault is not None
    before = site.vault.path.read_bytes()
    short = "x" * 31
    with untouched:
        told = _import(variant(tmp_path, {}), short)
    told.refused("secrets.api_keys.APIimported: its secret is shorter than 32 characters (31)")
    assert short not in told.text
    assert site.vault.path.read_bytes() == before


def test_an_inventory_that_describes_no_site_is_told(untouched: AbstractContextManager[None]) -> None:
    with untouched:
        deploy("@local").refused("inventory: describes no site; run `pyinfra inventories/NAME.py")
