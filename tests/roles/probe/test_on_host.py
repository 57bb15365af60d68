"""The program that makes calls on hosts: what is packed for which host, and when it is brought there or pruned."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.probe import bundle, on_host
from livekit_metal.runtime.probe.bundle import Target

ROOT = Path(__file__).parents[3]
BOOKWORM, TRIXIE = Target("3.11", "x86_64"), Target("3.13", "x86_64")


def pins(target: Target) -> dict[str, str]:
    return dict(line.split()[0].split("==") for line in bundle.requirements(target).splitlines())


def test_what_a_call_imports_comes_with_all_it_needs_and_nothing_else() -> None:
    assert {"livekit", "livekit-api", "livekit-protocol", "numpy", "aiohttp", "protobuf", "pyjwt"} <= set(
        pins(BOOKWORM)
    )
    assert not {"pyinfra", "paramiko", "pytest", "mypy", "gevent", "cryptography"} & set(pins(BOOKWORM))


def test_markers_are_those_of_the_host() -> None:
    """typing-extensions is needed before 3.13 only; a marker that reached pip would be judged by this Python."""
    assert "typing-extensions" in pins(BOOKWORM)
    assert "typing-extensions" not in pins(TRIXIE)
    assert pins(BOOKWORM)["numpy"] != pins(TRIXIE)["numpy"]
    assert ";" not in bundle.requirements(TRIXIE)


def test_every_pin_has_its_sums() -> None:
    for line in bundle.requirements(BOOKWORM).splitlines():
        assert " --hash=sha256:" in line, line


def test_a_pack_is_named_by_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {BOOKWORM.name, TRIXIE.name, Target("3.11", "aarch64").name}
    assert len(names) == 3
    assert Target("3.11", "x86_64").name == BOOKWORM.name
    monkeypatch.setattr(bundle, "_code", lambda: b"other code")
    assert BOOKWORM.name not in names


@pytest.mark.parametrize(("python", "old"), [("3.9", True), ("3.10", True), ("3.11", False), ("3.13", False)])
def test_a_python_that_the_lock_is_not_made_for(python: str, old: bool) -> None:
    assert Target(python, "x86_64").too_old is old


def test_our_code_is_whole(tmp_path: Path) -> None:
    """It runs where nothing else of this checkout is."""
    with tarfile.open(fileobj=io.BytesIO(bundle._code())) as archive:
        archive.extractall(tmp_path, filter="data")
    command = [sys.executable, "-m", "livekit_metal.call", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    command = [
        sys.executable,
        "-c",
        "import livekit_metal.call, livekit_metal.core as c; print(livekit_metal.call.__file__, c.__file__)",
    ]
    assert str(ROOT) not in subprocess.check_output(command, cwd=tmp_path, text=True)


def test_wheels_that_cannot_be_had_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"XDG_CACHE_HOME": tmp_path, "PIP_NO_INDEX": 1, "PIP_FIND_LINKS": tmp_path / "none"}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(HostError) as caught:
        bundle.packed(BOOKWORM)
    assert str(caught.value).startswith("livekit.probe: what a call needs cannot be collected here: pip: ERROR: ")
    assert str(caught.value).endswith("reach PyPI or a mirror, or set the probe to controller")


NAME = BOOKWORM.name


@pytest.mark.parametrize(
    ("wanted", "there", "python", "expected"),
    [
        pytest.param(False, [], True, [], id="never used"),
        pytest.param(True, [], True, ["push"], id="fresh"),
        pytest.param(True, [], False, ["push"], id="python is yet to come"),
        pytest.param(True, [NAME], True, [], id="there"),
        pytest.param(True, ["old", "old.lkm-new"], True, ["push", "prune"], id="of an earlier checkout"),
        pytest.param(True, [NAME, "old"], True, ["prune"], id="left over"),
        pytest.param(True, ["old"], False, ["push"], id="which one is in use is not known"),
        pytest.param(False, ["old"], True, ["prune"], id="used no more"),
    ],
)
def test_plan(wanted: bool, there: list[str], python: bool, expected: list[str]) -> None:
    probes = {"runner.there": there} | ({"runner.target": ["3.11 x86_64"] if python else []} if wanted else {})
    done = on_host.actions("/opt/livekit/probe", HostState(answers=probes), wanted=wanted)
    assert [step.name.split()[0] for step in done] == expected
    asked = [name for name, _ in on_host.needs("/opt/livekit/probe", wanted=wanted).queries]
    assert asked == list(probes), "a host that makes no calls starts no Python"


def _receive(directory: Path, sent: bytes, sha256: str) -> subprocess.CompletedProcess[bytes]:
    command = ["sh", "-c", on_host._RECEIVE, "sh", str(directory), sha256]
    return subprocess.run(command, input=sent, capture_output=True, check=False)


def test_what_arrives_whole_is_unpacked_from_all_its_parts(tmp_path: Path) -> None:
    sent = bundle._code() * 2  # two archives, one after the other
    done = _receive(tmp_path / "probe/x", sent, hashlib.sha256(sent).hexdigest())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "probe/x/livekit_metal/call/__main__.py").read_text() == (
        ROOT / "livekit_metal/call/__main__.py"
    ).read_text()
    assert [p.name for p in (tmp_path / "probe").iterdir()] == ["x"]


def test_what_does_not_arrive_whole_leaves_nothing(tmp_path: Path) -> None:
    sent = bundle._code()
    done = _receive(tmp_path / "probe/x", sent[:-1], hashlib.sha256(sent).hexdigest())
    assert done.returncode != 0
    assert done.stderr == b"what arrived is not what was sent\n"
    assert list((tmp_path / "probe").iterdir()) == []
