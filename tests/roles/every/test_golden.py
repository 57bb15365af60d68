"""Every file that a deploy writes to a host, as it was when it was last looked at: tests/golden/SITE/HOST/…

A change that moves code leaves these as they are; one that changes what is on a host shows here what it changes, in
the review too. ``GOLDEN=write pytest tests/roles/every/test_golden.py`` writes them again.

Secrets, keys, sums and what follows from them (the names of generations) are made for each test and stand there masked.
"""

from __future__ import annotations

import os
import re
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lab.state
from livekit_metal.roles.kernel import tasks as kernel
from livekit_metal.roles.kernel.state import PROBE
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.slots import staging
from livekit_metal.site import inventory
from livekit_metal.site.model import Site
from tests.roles.test_kernel import DEFAULTS

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/golden"
SITES = ("single.example", "cluster.example", "lab", "lab_tls", "lab_media", "alternative")
_SEPARATOR = "-" * 40
_MASKS = (
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----\n?", re.DOTALL), "PEM\n"),
    (re.compile(r"\bAPI\w{8,}"), "API_KEY"),
    (re.compile(r"\b[0-9a-f]{8,64}\b"), "SUM"),
    (re.compile(r"(?<=token\)\]\.)[\w-]{43}"), "THUMBPRINT"),
)


@pytest.fixture
def lab_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab of one host, as far as its inventories ask."""
    told = {
        "hosts": {"lk1": {"address": "10.90.0.11"}},
        "login": "root",
        "key": "/lab/id_ed25519",
        "known_hosts": "/lab/known_hosts",
        "directory": str(tmp_path),
        "gateway": "10.90.0.1",
    }
    monkeypatch.setattr(lab.state, "facts", lambda: told)
    monkeypatch.delenv("ARTIFACTS", raising=False)


@pytest.fixture
def written(
    fake_run: Callable[..., Any], lab_facts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], dict[str, str]]:
    """All files of a site's hosts after a first deploy: HOST/path -> mode, owner and text, masked."""
    made: dict[str, File] = {}
    begin = File.__init__

    def remember(self: File, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        made[self.path] = self

    def fetched(release: Any, arch: str, *_: Any) -> Artifact:
        return Artifact(
            component=release.component,
            version=release.version,
            source=release.source,
            arch=arch,
            sha256="ab" * 32,
            path=tmp_path,
            size=7,
            identity="golden",
        )

    def deploy(name: str) -> dict[str, str]:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        monkeypatch.delitem(sys.modules, "inventories.lab", raising=False)
        (inventories := tmp_path / "inventories").mkdir()
        (tmp_path / "tests").symlink_to(ROOT / "tests")  # lab_media's stand-ins
        shutil.copy(ROOT / "inventories" / f"{name}.py", inventories)
        site = inventory.read(inventories / f"{name}.py")
        assert site.vault
        monkeypatch.setattr(File, "__init__", remember)
        monkeypatch.setattr(staging, "_fetched", fetched)
        found = {}
        for host in site.hosts:
            made.clear()
            fake_run(lambda: runpy.run_path(str(ROOT / "deploy.py")), [host])
            _plan_kernel(site, host)
            files = {_masked(path, ()): file for path, file in made.items() if "/@/" not in path}
            found |= {f"{host}{path}": _shown(file, site.vault.every_value()) for path, file in files.items()}
        return found

    return deploy


def _plan_kernel(site: Site, host: str) -> None:
    """Its file holds only keys that the host has: one that has them all."""
    part = kernel.activate(site.for_host(host).kernel)
    part.plan(HostState(sysctls=DEFAULTS, answers={PROBE: ["module"]}))


def _shown(file: File, secrets: tuple[str, ...]) -> str:
    return f"{file.mode} {file.user}:{file.group}\n{_SEPARATOR}\n{_masked(file.text, secrets)}"


def _masked(text: str, secrets: tuple[str, ...]) -> str:
    for value in sorted(secrets, key=len, reverse=True):
        text = text.replace(value, "SECRET")
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


@pytest.mark.parametrize("name", SITES)
def test_files_on_hosts_are_as_they_were(name: str, written: Callable[[str], dict[str, str]]) -> None:
    found = written(name)
    if os.environ.get("GOLDEN") == "write":
        shutil.rmtree(GOLDEN / name, ignore_errors=True)
        for path, text in found.items():
            file = GOLDEN / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    golden = {str(f.relative_to(GOLDEN / name)): f.read_text() for f in (GOLDEN / name).rglob("*") if f.is_file()}
    assert sorted(found) == sorted(golden)
    assert found == golden
