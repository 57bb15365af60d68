"""Our tables of upstream's keys against its structs, and what we write against its own parser (both fetch modules)."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import lab.state
from livekit_metal.releases import known_keys
from livekit_metal.roles.livekit.generation import View
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.site import inventory
from livekit_metal.site.model import Site
from tests.support.upstream import metrics
from tests.support.upstream.read import PROGRAMS, from_proxy, strict_parser

ROOT = Path(__file__).parents[2]
PINNED = [(component, version) for component, program in PROGRAMS.items() for version in program.versions]
SITES = ("single.example", "cluster.example", "lab", "lab_tls", "lab_media", "alternative")


@pytest.mark.parametrize(("component", "version"), PINNED, ids=lambda each: each)
def test_no_key_of_upstream_is_missing_from_the_table(component: str, version: str) -> None:
    table = known_keys.table(component, version)
    assert table.exact
    assert table.keys == from_proxy(component, version), "run `make keys`, and say in rules/ what a new key is"


@pytest.mark.parametrize(("component", "version"), PINNED, ids=lambda each: each)
def test_no_metric_of_upstream_has_changed_unseen(component: str, version: str) -> None:
    """By this table it is known which rules would fall silent: tests/unit/releases/test_metrics.py."""
    assert metrics.table()[component][version] == metrics.from_proxy(component, version), "run `make keys`"


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Site]:
    """The sites of the examples and the labs, the latter of one host."""
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
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (directory := tmp_path / "inventories").mkdir()
    for name in SITES:
        (directory / f"{name}.py").write_text((ROOT / "inventories" / f"{name}.py").read_text())
    return [inventory.read(directory / f"{name}.py") for name in SITES]


@pytest.mark.long
@pytest.mark.parametrize("version", PROGRAMS["livekit-server"].versions)
def test_each_release_reads_what_is_written_for_it(version: str, sites: list[Site], tmp_path: Path) -> None:
    """By its own pkg/config, which compiles although the rest of 1.13.6 and later cannot be had here."""
    files: list[Path] = []
    for name, site in zip(SITES, sites, strict=True):
        wanted = site.having(replace(site.of(Settings), release=version))
        for host in wanted.with_role("livekit"):
            own = wanted.for_host(host).the(Settings)
            for slot in own.slots:
                files.append(tmp_path / f"{name}-{host}-{slot}.yaml")
                files[-1].write_text(View(own, "generation", "/generation", slot, "/release").config().text)
    (directory := tmp_path / "program").mkdir()
    parser = strict_parser(version, directory)
    said = subprocess.run([parser, *files], capture_output=True, text=True, check=False)
    assert (said.stdout, said.returncode) == ("", 0)

    (bad := tmp_path / "bad.yaml").write_text("no_such_key: 1\n")
    assert (
        "field no_such_key not found"
        in subprocess.run([parser, bad], capture_output=True, text=True, check=False).stdout
    )
