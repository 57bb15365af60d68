"""What is due on a host, by apt itself: of security's archive or of all, what is held, and why to reboot."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from livekit_metal.core import shell
from livekit_metal.core.switches import Switches
from livekit_metal.core.types.duration import Duration
from livekit_metal.patching.due import APT, Asked, Due, due, needs
from tests.support.hosts.local_host import LocalHost

_STANZA = "Package: {}\nVersion: {}\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: x\n{}"


def package(name: str, version: str, *more: str) -> str:
    return _STANZA.format(name, version, "".join(f"{line}\n" for line in more))


def built(local: LocalHost, archive: str, name: str, version: str, *more: str) -> str:
    """A package in an archive of the host's; its entry in the list."""
    where = local.path(f"/srv/{archive}")
    tree = local.place / f"{name}-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(package(name, version, *more).rstrip("\n") + "\n")
    (tree / f"opt/{name}").mkdir(parents=True)
    (tree / f"opt/{name}/version").write_text(version)
    file = where / f"{name}_{version}_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(file)]
    subprocess.run(command, check=True, capture_output=True)
    digest = subprocess.run(["sha256sum", file], check=True, capture_output=True, text=True).stdout.split()[0]
    entry = (*more, f"Filename: ./{file.name}", f"Size: {file.stat().st_size}", f"SHA256: {digest}")
    return package(name, version, *entry)


@pytest.fixture
def apt(local: LocalHost, monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    """A host with apt's own programs, an archive of security's and one of all the rest, which have newer packages."""
    for name in ("apt-get", "dpkg-query"):
        (local.place / "bin" / name).unlink()  # the stand-ins
    (local.place / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(local.place / "tmp"))
    for directory in ("/var/lib/apt/lists/partial", "/var/cache/apt/archives/partial", "/var/lib/dpkg/updates",
                      "/var/lib/dpkg/info", "/var/lib/dpkg/triggers", "/var/log/apt", "/etc/apt/preferences.d",
                      "/srv/security", "/srv/main", "/etc/dpkg"):  # fmt: skip
        local.path(directory).mkdir(parents=True, exist_ok=True)
    status = "Status: install ok installed"
    old = [package(name, "1", status) for name in ("secure", "plain", "both")]
    local.write("/var/lib/dpkg/status", "\n".join([*old, package("held", "1", "Status: hold ok installed")]))
    local.write("/var/lib/dpkg/available")
    local.write("/etc/apt/apt.conf.d/root", 'APT::Sandbox::User "root";\nDPkg::Path "/usr/sbin:/usr/bin:/sbin:/bin";\n')
    newer: dict[str, list[tuple[str, ...]]] = {
        "security": [("secure", "2", "Depends: needed"), ("both", "2"), ("held", "2")],
        "main": [("plain", "2"), ("both", "3"), ("needed", "1")],
    }
    sources = []
    for archive, packages in newer.items():
        label = "Debian-Security" if archive == "security" else "Debian"
        entries = [built(local, archive, *each) for each in packages]
        text = "\n".join(entries)
        local.write(f"/srv/{archive}/Packages", text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        release = f"Label: {label}\nSuite: {archive}\nSHA256:\n {digest} {len(text)} Packages\n"
        local.write(f"/srv/{archive}/Release", release)
        sources.append(f"deb [trusted=yes] file:/srv/{archive} ./")
    local.write("/etc/apt/sources.list", "\n".join(sources) + "\n")
    local.run(APT, "refresh")
    return local


def asked(updates: str) -> Asked:
    return Asked.of(Switches(updates=updates))


def seen(local: LocalHost, updates: str) -> Due:
    return due(asked(updates), local.look(needs(asked(updates))))


def test_security_updates_are_those_of_its_archive_and_what_they_need(apt: LocalHost) -> None:
    found = seen(apt, "security")
    assert set(found.packages) == {"secure", "needed", "both"}
    assert found.held == ("held",)


def test_all_updates_are_the_newest_of_any_archive(apt: LocalHost) -> None:
    assert set(seen(apt, "all").packages) == {"secure", "needed", "both", "plain"}


def test_an_administrators_own_pins_go_on_to_hold(apt: LocalHost) -> None:
    apt.write("/etc/apt/preferences.d/mine", "Package: both\nPin: version 1\nPin-Priority: 1001\n")
    assert "both" not in seen(apt, "security").packages


@pytest.mark.parametrize(
    ("updates", "expected"),
    [("security", {"secure": "2", "needed": "1", "both": "2"}), ("all", {"plain": "2", "both": "3", "needed": "1"})],
)
def test_what_is_due_comes_and_what_is_held_stays(apt: LocalHost, updates: str, expected: dict[str, str]) -> None:
    apt.run(APT, "upgrade", updates)
    there = {path.parent.name: path.read_text() for path in Path(apt.path("/opt")).glob("*/version")}
    assert expected.items() <= there.items()
    assert "held" not in there
    assert ("plain" in there) is (updates == "all")
    assert seen(apt, updates).packages == (), "and then nothing is due"
    assert list((apt.place / "tmp").iterdir()) == []


def test_a_reboot_is_wanted_when_a_package_says_so(local: LocalHost) -> None:
    local.write("/run/reboot-required", "*** System restart required ***\n")
    local.write("/run/reboot-required.pkgs", "linux-image-6.1.0-99-amd64\nlibc6\nlibc6\n")
    reasons = local.run(shell.given(dict(needs(asked("all")).queries)["patch.reboot"])).splitlines()
    assert reasons[0] == "asked for by libc6 linux-image-6.1.0-99-amd64"


def test_within_is_a_length_of_time() -> None:
    assert Asked.of(Switches(within="45m")).within == Duration(2700)
