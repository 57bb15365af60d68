"""The kernel's file: read by sysctl, compared with the site."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from livekit_metal.roles.kernel import reserved
from livekit_metal.roles.kernel.keys import keys
from livekit_metal.roles.kernel.settings import FILE, MODULES, RESERVED, Settings
from livekit_metal.roles.kernel.tasks import Sysctls, _extra, _files
from livekit_metal.site.model import Site

Read = Callable[[str], dict[str, str]]


@pytest.fixture
def read(program: Callable[[str, str], str], tmp_path: Path) -> Read:
    """What sysctl itself makes of a file, key by key; a key that comes twice fails."""
    sysctl = program("sysctl", "procps")

    def parse(text: str) -> dict[str, str]:
        file = tmp_path / "sysctl.conf"
        file.write_text(text)
        said = subprocess.run([sysctl, "--dry-run", "-p", file], capture_output=True, text=True, check=True)
        assert said.stderr == ""
        pairs = [line.partition(" = ")[::2] for line in said.stdout.splitlines()]
        assert len(dict(pairs)) == len(pairs), "a key is set twice"
        return dict(pairs)

    return parse


def values(settings: Settings) -> dict[str, str]:
    """As on a host that can set every key and has nothing in them."""
    return {RESERVED: reserved.text(settings.reserved)} | {key.name: key.value("") for key in keys(settings)}


def text(settings: Settings, without: str = "") -> str:
    present = {name: value for name, value in values(settings).items() if name != without}
    return _files(Sysctls(present, "", settings.redis, _extra(settings)), module=True)[0].text


# By default, on a host that has nothing in them.
KEYS = {
    "net.core.rmem_max": "16777216",
    "net.core.wmem_max": "16777216",
    "net.core.rmem_default": "1048576",
    "net.core.wmem_default": "1048576",
    "net.core.netdev_max_backlog": "5000",
    "net.ipv4.tcp_rmem": "4096 131072 6291456",
    "net.ipv4.tcp_wmem": "4096 16384 4194304",
    "net.ipv4.tcp_slow_start_after_idle": "0",
    "net.ipv4.tcp_notsent_lowat": "131072",
    "net.netfilter.nf_conntrack_udp_timeout": "60",
    "net.netfilter.nf_conntrack_udp_timeout_stream": "180",
    "vm.swappiness": "10",
}
OF_REDIS = {"vm.overcommit_memory": "1"}


def test_every_key_is_set_and_no_other(any_site: Site, read: Read) -> None:
    """Of the reserved ports the next test speaks."""
    for host in any_site.hosts:
        found = read(text(any_site.for_host(host).kernel))
        assert found.pop(RESERVED)
        assert found == KEYS | (OF_REDIS if "redis" in any_site.hosts[host].roles else {})


def test_every_port_of_the_site_is_reserved(any_site: Site, read: Read) -> None:
    """Those on loopback too: a daemon must be able to bind them."""
    for host in any_site.hosts:
        listed = read(text(any_site.for_host(host).kernel))[RESERVED]
        numbers = {n for r in reserved.parse(listed) for n in range(r.first, r.last + 1)}
        assert numbers == {n for p in any_site.ports(host) for n in range(p.range.first, p.range.last + 1)}


def test_extra_keys_are_set_as_given(single: Site, read: Read) -> None:
    extra = {"net.ipv4.udp_rmem_min": "8192", "vm.swappiness": "60", "net.ipv4.tcp_rmem": "1 2 3"}
    settings = dataclasses.replace(single.for_host("lk1").kernel, extra=extra)
    assert extra.items() <= read(text(settings)).items()


@pytest.mark.parametrize("name", ["net.core.rmem_max", "vm.overcommit_memory", "net.ipv4.udp_rmem_min"])
def test_a_key_that_cannot_be_set_is_told_in_the_file(single: Site, read: Read, name: str) -> None:
    settings = dataclasses.replace(single.for_host("lk1").kernel, extra={"net.ipv4.udp_rmem_min": "8192"})
    written = text(settings, without=name)
    assert name not in read(written)
    assert f"# {name}: cannot be set on this host\n" in written


def test_ports_of_others_are_told_apart(single: Site, read: Read) -> None:
    written = _files(Sysctls(values(single.for_host("lk1").kernel), "30000-32767", True, ()), module=False)[0].text
    assert "# Reserved by others: 30000-32767\n" in written
    assert read(written)


def test_the_module_of_connection_tracking_is_loaded_before_its_keys_are_set(single: Site) -> None:
    (conf, modules) = _files(Sysctls({}, "", False, ()), module=True)
    assert (conf.path, modules.path) == (FILE, MODULES)
    assert [line for line in modules.text.splitlines() if not line.startswith("#")] == ["nf_conntrack"]
    assert len(_files(Sysctls({}, "", False, ()), module=False)) == 1
