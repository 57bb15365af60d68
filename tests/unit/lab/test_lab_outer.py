"""What the lab reads from the outer machine: apt's settings, name servers, cgroups, firewalls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import cgroup, network
from lab.images import build, sources

TARGETS = "\n".join(
    "\t".join(fields)
    for fields in [
        ("http://mirror.test/debian/", "bookworm", "Debian", "main"),
        ("http://mirror.test/debian/", "bookworm", "Debian", "contrib"),
        ("http://mirror.test/debian/", "bookworm-updates", "Debian", "main"),
        ("http://mirror.test/debian/", "bookworm-backports", "Debian", "main"),
        ("http://security.test/debian-security/", "bookworm-security", "Debian", "main"),
        ("http://vendor.test/apt/", "bookworm", "Vendor", "main"),
        ("http://mirror.test/debian/", "trixie", "Debian", "main"),
    ]
)


def test_only_debians_own_suites_of_the_release_count() -> None:
    found = sources.parse_targets(TARGETS, "bookworm")
    assert [(s.suite, s.uri, s.components) for s in found] == [
        ("", "http://mirror.test/debian/", ("contrib", "main")),
        ("-security", "http://security.test/debian-security/", ("main",)),
        ("-updates", "http://mirror.test/debian/", ("main",)),
    ]


def test_the_same_archive_for_another_release() -> None:
    text = sources.sources_file(sources.parse_targets(TARGETS, "bookworm"), "trixie")
    suites = [line for line in text.splitlines() if line.startswith("Suites:")]
    assert suites == ["Suites: trixie", "Suites: trixie-security", "Suites: trixie-updates"]
    assert "bookworm" not in text


def test_how_apt_reaches_the_archive_is_copied_and_nothing_else() -> None:
    dump = "\n".join(
        [
            'Acquire::http "";',
            'Acquire::http::Proxy "http://proxy.test:3128";',
            'Acquire::https::Verify-Peer "true";',
            'Acquire::Check-Date "false";',
            'Acquire::Languages:: "none";',
            'APT::Install-Recommends "false";',
        ]
    )
    environ = {"http_proxy": "http://ignored.test", "HTTPS_PROXY": "http://proxy.test:3129"}
    assert sources.apt_conf(dump, environ).splitlines() == [
        'Acquire::http::Proxy "http://proxy.test:3128";',
        'Acquire::https::Verify-Peer "true";',
        'Acquire::Check-Date "false";',
        'Acquire::https::Proxy "http://proxy.test:3129";',
    ]


@pytest.mark.parametrize(
    ("texts", "servers"),
    [
        (["nameserver 192.0.2.53\nsearch test\n"], ("192.0.2.53",)),
        (["nameserver 127.0.0.53\n", "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"], ("192.0.2.1", "192.0.2.2")),
        (["nameserver ::1\n"], ()),
        (["# none\n"], ()),
    ],
)
def test_name_servers_that_hosts_can_reach(texts: list[str], servers: tuple[str, ...]) -> None:
    assert sources.nameservers(texts) == servers


def test_an_image_is_named_by_all_that_goes_into_it() -> None:
    name = build.image_id("bookworm", "amd64", "archive", {"ca.crt": "pem"}, "recipe")
    assert name == build.image_id("bookworm", "amd64", "archive", {"ca.crt": "pem"}, "recipe")
    others = {
        build.image_id("bookworm", "arm64", "archive", {"ca.crt": "pem"}, "recipe"),
        build.image_id("trixie", "amd64", "archive", {"ca.crt": "pem"}, "recipe"),
        build.image_id("bookworm", "amd64", "another", {"ca.crt": "pem"}, "recipe"),
        build.image_id("bookworm", "amd64", "archive", {}, "recipe"),
        build.image_id("bookworm", "amd64", "archive", {"ca.crt": "pem"}, "other recipe"),
    }
    assert len(others) == 5
    assert name not in others


HYBRID = """\
27 28 0:24 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
28 23 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
29 28 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
40 28 0:29 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
"""


@pytest.mark.parametrize(
    ("mountinfo", "unified", "mirror"),
    [
        (HYBRID, "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"),
        ("31 23 0:27 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n", "/sys/fs/cgroup", None),
        ("31 23 0:27 /some/part /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", None, None),
        ("29 28 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", None, None),
    ],
)
def test_where_the_hierarchies_are(mountinfo: str, unified: str | None, mirror: str | None) -> None:
    assert cgroup.unified(mountinfo) == (unified and Path(unified))
    assert cgroup.mirror(mountinfo) == (mirror and Path(mirror))


def test_who_is_in_a_cgroup(tmp_path: Path) -> None:
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    (tmp_path / "cgroup.procs").write_text("41\n7\n")
    assert cgroup.populated(tmp_path)
    assert cgroup.pids(tmp_path) == [41, 7]
    (tmp_path / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    assert not cgroup.populated(tmp_path)
    assert not cgroup.populated(tmp_path / "gone")
    assert cgroup.pids(tmp_path / "gone") == []


def test_firewalls_that_keep_hosts_from_the_archive() -> None:
    def chain(family: str, name: str, hook: str, policy: str) -> dict[str, object]:
        return {"chain": {"family": family, "table": "filter", "name": name, "hook": hook, "policy": policy}}

    listing = [
        {"metainfo": {"json_schema_version": 1}},
        chain("ip", "FORWARD", "forward", "drop"),
        chain("ip", "INPUT", "input", "drop"),
        chain("ip6", "FORWARD", "forward", "drop"),
        chain("inet", "pass", "forward", "accept"),
        {"chain": {"family": "ip", "table": "filter", "name": "DOCKER-USER"}},
    ]
    assert network.dropping(json.dumps({"nftables": listing})) == ["ip filter FORWARD"]
