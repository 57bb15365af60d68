"""What the kernel role plans from what it sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from livekit_metal.core.ports import PortRange
from livekit_metal.roles.kernel import tasks
from livekit_metal.roles.kernel.settings import FILE, MODULES, RESERVED, Settings
from livekit_metal.roles.kernel.tasks import activate
from livekit_metal.runtime.host.files import File, bundle
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.task import Plan
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.roles.wanted import look, names

CONNTRACK = "net.netfilter.nf_conntrack_udp_timeout"
# A virtual machine with Debian 12 as it comes.
DEFAULTS = {
    "net.core.rmem_max": "212992",
    "net.core.wmem_max": "212992",
    "net.core.rmem_default": "212992",
    "net.core.wmem_default": "212992",
    "net.core.netdev_max_backlog": "1000",
    "net.ipv4.tcp_rmem": "4096\t131072\t6291456",
    "net.ipv4.tcp_wmem": "4096\t16384\t4194304",
    RESERVED: "",
    "net.ipv4.tcp_slow_start_after_idle": "1",
    "net.ipv4.tcp_notsent_lowat": "4294967295",
    CONNTRACK: "30",
    f"{CONNTRACK}_stream": "120",
    "vm.swappiness": "60",
    "vm.overcommit_memory": "0",
}
WRITE = "write 60-livekit-metal.conf"


@pytest.fixture
def kernel(single: Site) -> Settings:
    return single.for_host("lk1").kernel


def host(sysctls: dict[str, str] | None = None, *said: str) -> HostState:
    return HostState(sysctls=DEFAULTS if sysctls is None else sysctls, answers={"kernel.keys": list(said)})


def plan(settings: Settings, seen: HostState) -> Plan:
    return activate(settings).plan(seen)


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch) -> Callable[[Settings, HostState], HostState]:
    """What a host is like after what was planned for it."""

    def carry(settings: Settings, seen: HostState) -> HostState:
        written: list[File] = []
        monkeypatch.setattr(tasks, "bundle", lambda wanted, before: written.extend(wanted) or bundle(wanted, before))
        todo = plan(settings, seen)
        values = next((s.run.keywords["values"] for s in todo.actions if s.name.startswith("set ")), {})
        kept = [line for line in seen.answers["kernel.keys"] if not line.startswith(FILE)]
        own = [f"{FILE}:{line}" for line in written[0].text.splitlines() if RESERVED in line or "others" in line]
        return HostState(
            files={f.path: f.sha256 for f in written},
            stat={f.path: (f.mode, f.user, f.group) for f in written},
            sysctls={**seen.sysctls, **values},
            answers={"kernel.keys": kept + own},
        )

    return carry


Carry = Callable[[Settings, HostState], HostState]


def test_a_fresh_host_gets_all_of_it(kernel: Settings) -> None:
    unchanged = {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
    assert names(plan(kernel, host())) == [WRITE, f"set {', '.join(sorted(DEFAULTS.keys() - unchanged))}"]
    assert plan(kernel, host()).summary == f"{len(DEFAULTS) - len(unchanged)} keys set"


def test_a_host_as_wanted_is_left_alone(kernel: Settings, carried_out: Carry) -> None:
    assert plan(kernel, carried_out(kernel, host())) == Plan()


def test_just_the_key_that_fell_back_is_set(kernel: Settings, carried_out: Carry) -> None:
    seen = carried_out(kernel, host())
    seen.sysctls["vm.swappiness"] = "60"
    assert names(plan(kernel, seen)) == ["set vm.swappiness"]


def test_what_a_host_has_more_of_stays(kernel: Settings, carried_out: Carry) -> None:
    """In force and in the file, so that a boot does not lower it either."""
    more = {"net.core.rmem_max": "33554432", "net.ipv4.tcp_rmem": "4096\t131072\t33554432", "vm.swappiness": "1"}
    todo = plan(kernel, host({**DEFAULTS, **more}))
    assert not set(more) & set(todo.actions[1].run.keywords["values"])
    seen = carried_out(kernel, host({**DEFAULTS, **more}))
    assert plan(kernel, seen) == Plan()
    assert {name: seen.sysctls[name] for name in more} == more


def test_a_module_that_is_not_loaded_yet_is_loaded_for_its_keys(kernel: Settings, carried_out: Carry) -> None:
    lacking = {name: value for name, value in DEFAULTS.items() if not name.startswith(CONNTRACK)}
    todo = plan(kernel, host(lacking, "module"))
    assert names(todo)[:2] == [f"{WRITE}, livekit-metal.conf", "load nf_conntrack"]
    assert CONNTRACK in todo.actions[2].run.keywords["values"]
    after = carried_out(kernel, host(lacking, "module"))
    assert MODULES in after.files
    assert plan(kernel, after) == Plan()


def test_a_host_without_connection_tracking_is_told_what_that_means(kernel: Settings) -> None:
    lacking = {name: value for name, value in DEFAULTS.items() if not name.startswith(CONNTRACK)}
    assert plan(kernel, host(lacking)).notes == (
        f"{CONNTRACK}, {CONNTRACK}_stream are absent here (a container?): "
        "the firewall forgets a UDP exchange of this host after 30 s of silence",
    )


def test_keys_that_a_container_cannot_set_are_findings_and_no_changes(kernel: Settings, carried_out: Carry) -> None:
    locked = ("net.core.rmem_max", "net.core.wmem_max", "vm.swappiness", "vm.overcommit_memory")
    container = {name: value for name, value in DEFAULTS.items() if not name.endswith(("_default", "backlog"))}
    seen = host(container, *(f"locked {name.replace('.', '/')}" for name in locked))
    first = plan(kernel, seen)
    assert not set(locked) & set(first.actions[1].run.keywords["values"])
    second = plan(kernel, carried_out(kernel, seen))
    assert second.actions == ()
    assert second.notes == first.notes
    assert second.notes[0] == (
        "net.core.rmem_max, net.core.wmem_max cannot be set here (a container?): "
        "with the usual 212992 bytes a media socket holds 184 video packets, the rest of a burst is lost"
    )
    assert [note.split(":")[0] for note in second.notes[1:]] == [
        "net.core.rmem_default, net.core.wmem_default are absent here (a container?)",
        "net.core.netdev_max_backlog is absent here (a container?)",
        "vm.swappiness cannot be set here (a container?)",
        "vm.overcommit_memory cannot be set here (a container?)",
    ]


def test_a_locked_key_with_enough_in_it_is_no_finding(kernel: Settings) -> None:
    rich = {**DEFAULTS, "net.core.rmem_max": "33554432", "net.core.wmem_max": "33554432"}
    assert plan(kernel, host(rich, "locked net/core/rmem_max", "locked net/core/wmem_max")).notes == ()


def test_ports_that_others_reserved_stay_reserved(kernel: Settings, carried_out: Carry) -> None:
    seen = carried_out(kernel, host({**DEFAULTS, RESERVED: "8000,30000-32767"}))
    assert "8000" in seen.sysctls[RESERVED].split(",")
    assert plan(kernel, seen) == Plan()
    seen.sysctls[RESERVED] += ",65000"  # somebody comes later
    assert names(plan(kernel, seen)) == [WRITE]
    moved = dataclasses.replace(kernel, reserved=(PortRange(22, 22),))  # and our own ports move away
    after = carried_out(moved, carried_out(kernel, seen))
    assert after.sysctls[RESERVED] == "22,8000,30000-32767,65000"


def test_a_file_with_the_last_word_at_boot_is_told(kernel: Settings, carried_out: Carry) -> None:
    seen = carried_out(kernel, host())
    seen.answers["kernel.keys"] += [
        "/etc/sysctl.d/99-sysctl.conf:net.core.rmem_max=212992",
        "/usr/lib/sysctl.d/99-more.conf:-net/core/wmem_max = 16777216",
        "/usr/lib/sysctl.d/50-less.conf:vm.swappiness = 60",
    ]
    assert plan(kernel, seen).notes == (
        "/etc/sysctl.d/99-sysctl.conf sets net.core.rmem_max to 212992 at the next boot, after us; remove that line",
    )


def test_only_the_stale_keys_are_set_and_then_compared(fake_run: Callable[..., FakeRun], kernel: Settings) -> None:
    seen = host()
    values = plan(kernel, seen).actions[1].run.keywords["values"]
    in_force = "\n".join(f"{name} = {value}" for name, value in values.items())
    done = fake_run(lambda: one_by_one("kernel", activate(kernel)), answer=answers(seen, in_force))
    assert done.results["lk1"].word == "done"
    (command,) = [c for c in done.commands["lk1"] if "sysctl -q -w" in c]
    assert all(f"{name}={value}" in command for name, value in values.items())
    assert "tcp_rmem" not in command


def test_a_kernel_that_keeps_another_value_fails_the_host(fake_run: Callable[..., FakeRun], kernel: Settings) -> None:
    done = fake_run(lambda: one_by_one("kernel", activate(kernel)), answer=answers(host(), "vm.swappiness = 60"))
    assert done.results["lk1"].word == "failed"
    assert "vm.swappiness is '60' after it was set to '10'; look for what else" in done.results["lk1"].why


def answers(seen: HostState, in_force: str) -> Callable[[str, str], str]:
    sysctls = ["#sysctls", *(f"{name.replace('.', '/')}:{value}" for name, value in seen.sysctls.items())]

    def answer(_host: str, command: str) -> str:
        if "sh -s" in command:
            return "\n".join([*sysctls, look(seen)])
        return in_force if "sysctl --" in command else ""

    return answer
