"""What is wrong with a build or the secrets file is told before anything is changed on any host.

tests/controller/test_bad_inventory.py has what is told before a host is connected to.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from tests.faults.conftest import Change
from tests.support.hosts.deploys import deploy


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


def test_a_second_controller_without_the_secrets_file_is_refused(
    change: Change, tmp_path: Path, untouched: AbstractContextManager[None]
) -> None:
    """It would make new secrets, and with them lock every application out."""
    mine = {"secrets": str(tmp_path / "second.secrets"), "secrets_key": str(tmp_path / "second.key")}
    with untouched:
        deploy(change(mine)).refused("secrets", "second.secrets")
    assert not (tmp_path / "second.secrets").exists()
