"""An image from a registry, on a host: its tree arrives whole or not at all, and systemd runs a program of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from testinfra.host import Host

from lab.run import wait_until
from livekit_metal.runtime.artifacts.fetch import Artifact, fetch
from tests.support.artifacts.gomodule import ARCH, tiny
from tests.support.artifacts.registry import entry, layer, serving, sha256
from tests.support.hosts.deploys import Deploy, Told
from tests.support.hosts.lab import INVENTORY

PLACE = "/opt/livekit/tree-test"
PLAN = "tests/host/bring.py"
# Says what it sees. Static: the tree holds nothing else that runs.
PROGRAM = r"""package main

import (
	"encoding/json"
	"os"
)

func main() {
	whose, _ := os.ReadFile("/etc/whose")
	_, null := os.OpenFile("/dev/null", os.O_RDWR, 0)
	_, self := os.Readlink("/proc/self/exe")
	names, _ := os.ReadFile("/etc/resolv.conf")
	state := os.WriteFile(os.Getenv("STATE_DIRECTORY")+"/file", nil, 0o600)
	tree := os.WriteFile("/file", nil, 0o600)
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"whose": string(whose), "names": string(names), "uid": os.Getuid(),
		"null": null == nil, "self": self == nil, "state": state == nil, "tree": tree == nil,
	})
}
"""
UNIT = (
    *("MountAPIVFS=yes", "DynamicUser=yes", "StateDirectory=tree-test", "ProtectSystem=strict"),
    "BindReadOnlyPaths=/etc/resolv.conf",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Built, pushed to a registry on this machine, and fetched from there."""
    place = tmp_path_factory.mktemp("tree")
    with pytest.MonkeyPatch.context() as patch, serving(place) as registry:
        built = fetch(tiny(place, patch, {"cmd/tiny/main.go": PROGRAM}), ARCH, cache=place / "cache")
        content = layer(
            entry("usr/bin/tool", built.path.read_bytes(), mode=0o755),
            entry("bin", kind=b"2", linkname="usr/bin"),
            entry("etc/whose", b"the image's"),
            entry("etc/resolv.conf", b""),
            entry("usr/bin/set", b"user id", mode=0o4755),
            entry("home/me/file", b"mine", uid=1001, gid=7, mtime=1_700_000_000),
            *(entry(f"{name}/", kind=b"5") for name in ("dev", "proc", "run", "sys", "tmp", "var/lib/private")),
        )
        image = registry.image([content], arch=ARCH)
        return fetch(registry.release(sha256(image)), ARCH, cache=place / "cache")


@pytest.fixture
def directory(host: Host) -> Iterator[str]:
    yield f"{PLACE}/1.0.0-test"
    host.run("rm -rf %s /var/lib/private/tree-test /var/lib/tree-test", PLACE)


@dataclass(frozen=True)
class Bring:
    """Brings the tree to one host."""

    name: str
    tree: Artifact

    def __call__(self, directory: str, sha256: str = "") -> Told:
        return self.begin(self.tree.path, directory, sha256 or self.tree.sha256).end()

    def begin(self, path: Path, directory: str, sha256: str) -> Deploy:
        given = {"TREE": str(path), "TREE_SHA256": sha256, "TREE_DIRECTORY": directory}
        return Deploy(INVENTORY, "--limit", self.name, plan=PLAN, **given)


@pytest.fixture
def bring(host_name: str, tree: Artifact) -> Bring:
    return Bring(host_name, tree)


def test_a_program_of_an_image_runs_in_its_own_tree(host: Host, bring: Bring, directory: str) -> None:
    told = bring(directory)
    assert told.status == 0, told.text
    properties = " ".join(f"-p {line}" for line in (f"RootDirectory={directory}/rootfs", *UNIT))
    said = json.loads(host.check_output(f"systemd-run --quiet --wait --pipe {properties} /bin/tool"))
    assert said.pop("uid") > 60000, "a dynamic user"
    assert said.pop("names") == host.file("/etc/resolv.conf").content_string
    assert said == {"whose": "the image's", "null": True, "self": True, "state": True, "tree": False}


def test_owners_modes_and_times_arrive_and_nobody_else_gets_in(host: Host, bring: Bring, directory: str) -> None:
    assert bring(directory).status == 0
    asked = f"stat -c '%u:%g %a %Y' {directory}/rootfs/home/me/file {directory}/rootfs/usr/bin/set"
    mine, set_ = host.check_output(asked).splitlines()
    assert mine == "1001:7 644 1700000000"
    assert set_.startswith("0:0 4755 ")
    assert host.check_output(f"ls -A {directory}") == "rootfs"
    assert host.run(f"setpriv --reuid 65534 --clear-groups ls {directory}/rootfs").rc != 0


def test_a_tree_that_does_not_arrive_whole_leaves_nothing(host: Host, bring: Bring, directory: str) -> None:
    told = bring(directory, sha256="ab" * 32)
    assert told.status != 0
    assert "what arrived is not what was sent" in told.text
    assert host.run(f"ls -A {PLACE}").stdout == ""
    assert bring(directory).status == 0
    before = host.check_output(f"stat -c %i {directory}/rootfs")
    assert bring(directory, sha256="ab" * 32).status != 0
    assert host.check_output(f"stat -c %i {directory}/rootfs") == before, "what is there stays"


def test_a_push_that_is_killed_leaves_nothing(host: Host, bring: Bring, directory: str, tmp_path: Path) -> None:
    large = tmp_path / "large.tar"
    large.write_bytes(layer(entry("./random", os.urandom(100 << 20))))
    push = bring.begin(large, directory, "ab" * 32)
    assert wait_until(lambda: host.run(f"test -s {directory}.lkm-new/rootfs/random").rc == 0, seconds=60)
    push.kill()
    assert wait_until(lambda: host.run(f"ls -A {PLACE}").stdout == "", seconds=30)


def test_space_is_asked_for_before_anything_is_sent(host: Host, bring: Bring) -> None:
    mount = f"{PLACE}-small"
    host.check_output(f"mkdir -p {mount} && mount -t tmpfs -o size=1m none {mount}")
    try:
        told = bring(f"{mount}/1.0.0-test")
        assert told.status != 0
        assert f"MB are needed below {mount}, " in told.text
        assert host.run(f"ls -A {mount}").stdout == ""
    finally:
        host.check_output(f"umount {mount} && rmdir {mount}")
