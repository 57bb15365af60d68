"""kernel: what an inventory may say, and how values and reserved ports are worked out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import PortRange
from livekit_metal.roles.kernel import reserved
from livekit_metal.roles.kernel.keys import at_least, at_most, exactly, keys
from livekit_metal.roles.kernel.settings import _OWNERS, RESERVED, Settings
from livekit_metal.site.model import Site


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"net.core.rmem_max": "1"}, "kernel.extra: net.core.rmem_max comes from socket_buffer_max; set that instead"),
        (
            {"net.ipv4.ip_local_reserved_ports": "1"},
            "kernel.extra: net.ipv4.ip_local_reserved_ports comes from the ports of the site; set that instead",
        ),
        ({"rmem max": "1"}, "kernel.extra: 'rmem max' is not a sysctl key; write it as `sysctl -a` does"),
        ({"net.*.x": "1"}, "kernel.extra: 'net.*.x' is not a sysctl key; write it as `sysctl -a` does"),
        (
            {"net.ipv4.tcp_sack": "1\n2"},
            "kernel.extra.net.ipv4.tcp_sack: has the character U+000A in it; write one line of plain text",
        ),
    ],
)
def test_extra_keys_are_checked(
    make_site: Callable[[dict[str, Any]], Site], site_data: dict[str, Any], extra: dict[str, str], said: str
) -> None:
    with pytest.raises(SiteError) as caught:
        make_site({**site_data, "kernel": {"extra": extra}})
    assert str(caught.value) == said


def test_numbers_are_checked(make_site: Callable[[dict[str, Any]], Site], site_data: dict[str, Any]) -> None:
    with pytest.raises(SiteError) as caught:
        make_site({**site_data, "kernel": {"backlog": 0, "socket_buffer_max": 2**31}})
    assert [p.path for p in caught.value.problems] == ["kernel.socket_buffer_max", "kernel.backlog"]


def test_a_limit_is_raised_and_never_lowered() -> None:
    assert at_least(100)("60") == "100"
    assert at_least(100)("200") == "200"
    assert at_least(100)("") == "100"
    assert at_least(4096, 131072, 6291456)("8192 1 6291456") == "8192 131072 6291456"
    assert at_most(10)("60") == "10"
    assert at_most(10)("1") == "1"
    assert exactly("1")("60") == "1"


def test_every_owned_key_is_one_that_is_set() -> None:
    """What kernel.extra may not name is what the role sets from its other settings."""
    assert set(_OWNERS) - {RESERVED} <= {key.name for key in keys(Settings())}


def test_only_redis_hosts_promise_memory_they_do_not_have() -> None:
    name = "vm.overcommit_memory"
    assert name in {key.name for key in keys(Settings(redis=True))}
    assert name not in {key.name for key in keys(Settings())}


def test_an_extra_key_takes_the_place_of_one_that_no_setting_owns() -> None:
    extra = {"vm.swappiness": "60", "net.ipv4.tcp_rmem": "1 2 3", "net.ipv4.tcp_sack": "1"}
    found = keys(Settings(extra=extra))
    assert {key.name: key.value("") for key in found if key.name in extra} == extra
    assert len({key.name for key in found}) == len(found)


@pytest.mark.parametrize(
    ("in_force", "found", "written", "others"),
    [
        ("", "", "", ""),  # a fresh host
        ("30000-32767", "", "", "30000-32767"),  # somebody was here before us
        ("22,30000-32767", "30000-32767", "22,30000-32767", "30000-32767"),  # as we left it
        ("22,8000,30000-32767", "30000-32767", "22,30000-32767", "8000,30000-32767"),  # somebody came since
        ("22-25", "", "22", "23-25"),  # next to ours
        ("", "30000-32767", "22,30000-32767", "30000-32767"),  # lost, until the next boot or deploy
        ("30000-39999", "30000-32767", "30000-39999", "30000-32767"),  # ours overlapped theirs, and moves away
        ("1,65535", "", "", "1,65535"),
    ],
)
def test_reservations_of_others_are_kept(in_force: str, found: str, written: str, others: str) -> None:
    assert reserved.text(reserved.others(in_force, found, written)) == others


def test_the_kernels_notation_is_read_and_written() -> None:
    assert reserved.parse("22,50000-60000\n") == (PortRange(22, 22), PortRange(50000, 60000))
    assert reserved.text([PortRange(5, 9), PortRange(1, 4), PortRange(20, 20)]) == "1-9,20"
