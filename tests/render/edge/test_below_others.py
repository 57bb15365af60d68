"""Where root works below a directory that a daemon's user owns: nowhere, but where it is said here why that is safe.

Whoever owns a directory may put a link or a pipe in the place of what root expects there. So what root writes for a
daemon is in a directory of root's, and what root needs of a daemon's it gets as that user, in bounded time and size.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.site.model import HostStack, Site
from tests.render.walked import Unit, everything, files, owned, units

ROOT = Path(__file__).parents[3]
PACKAGE = [
    p for p in (ROOT / "livekit_metal").rglob("*.py") if not {"roles", "runtime"} & set(p.relative_to(ROOT).parts)
]
_DIRECTORY = "the directory itself, in one of root's: nobody can put anything in its place"
_WORDS = "a path in a message"
# File and attribute of the settings that is, or leads to, a directory of somebody else's: why root may.
SAFE = {
    ("roles/kamailio/doctor.py", "socket"): "kamcmd runs as kamailio",
    ("roles/acme/tasks.py", "state"): _DIRECTORY,
    ("roles/egress/occupancy.py", "state"): "find follows no link, and its files are counted, not opened",
    ("roles/egress/store.py", "state"): "rclone runs as egress; find only counts",
    ("roles/egress/tasks.py", "state"): _WORDS,
    ("roles/kamailio/tasks.py", "socket"): "kamcmd runs as kamailio",
    ("roles/prometheus/tasks.py", "data"): _DIRECTORY,
    ("roles/redis/tasks.py", "data"): _DIRECTORY,
    ("templates/acme/certificate.sh.j2", "account_directory"): "lego's user runs this verb",
    ("templates/acme/certificate.sh.j2", "got"): "read_as_lego",
    ("templates/acme/certificate.sh.j2", "state"): "lego's user runs this verb",
    ("templates/acme/certificate.sh.j2", "web"): "lego's user runs this verb",
    ("templates/acme/certificate.sh.j2", "active.socket"): "talk becomes the owner of what lies there",
    ("templates/egress/tidy.sh.j2", "state"): "makes the directories themselves; the rest is done as egress",
    ("templates/kamailio/dispatch.sh.j2", "socket"): "kamcmd runs as kamailio",
    ("templates/kamailio/reread.sh.j2", "socket"): "kamcmd runs as kamailio",
}
# Of these, what is outside of the role's own directories, and whose settings it is about.
# Commands of units that root runs and that name such a directory.
SAFE_COMMANDS: dict[str, str] = {}


@pytest.fixture
def stack(make_site: Callable[[dict[str, Any]], Site]) -> HostStack:
    return make_site(everything()).for_host("lk1")


def below(path: str, directories: frozenset[str]) -> bool:
    """Whether ``path`` is one of them, lies in one, or holds one (and so may lead there)."""
    return any(f"{path}/".startswith(f"{d}/") or f"{d}/".startswith(f"{path}/") for d in directories)


def leads(stack: HostStack, role: str) -> set[str]:
    """The attributes of a role's settings that lead to a directory of somebody else's."""
    settings, directories, found = getattr(stack, role), owned(stack), set()
    for name in dir(settings):
        if name.startswith("_") or name.endswith("_root"):
            continue
        value = getattr(settings, name)
        if isinstance(value, str) and value.startswith("/") and below(value, directories):
            found.add(name)
    if role in ("acme", "edge"):
        found.add("active.socket")
    return found


def test_the_walk_finds_what_daemons_own(stack: HostStack) -> None:
    """Else the rest of this file would prove nothing."""
    state = "/srv/alt/state"
    assert owned(stack) == {
        *(f"/run/livekit-server-{slot}" for slot in stack.livekit.slots),  # type: ignore[union-attr]
        *(f"{state}/egress/{name}" for name in (*stack.egress.slots, "backup", "files")),  # type: ignore[union-attr]
        *(f"{state}/{name}" for name in ("acme", "redis", "prometheus")),
        "/run/livekit-edge",
        "/run/livekit-kamailio",
        "/var/cache/livekit-ingress",
    }


def test_no_file_of_root_s_lies_in_a_directory_of_somebody_else_s(stack: HostStack) -> None:
    directories = owned(stack)
    inside = [f.path for f in files(stack) if any(f.path.startswith(f"{d}/") for d in directories)]
    assert inside == []
    assert not any(f"{stack.kamailio.slots_file}/".startswith(f"{d}/") for d in directories)  # type: ignore[union-attr]


def test_no_command_of_root_s_names_such_a_directory(stack: HostStack) -> None:
    directories = owned(stack)
    found = {
        f"{unit.name}: {command}"
        for unit in units(stack)
        for command in unit.as_root
        if any(f"{d}/" in f"{command}/" or f"{d} " in command for d in directories)
    }
    assert found == set(SAFE_COMMANDS)


@pytest.mark.parametrize(
    "role", ["livekit", "egress", "ingress", "sip", "kamailio", "acme", "edge", "redis", "prometheus", "exporters"]
)
def test_each_use_of_such_a_directory_is_known_to_be_safe(stack: HostStack, role: str) -> None:
    """In what runs as root: a role's steps and looks, and its scripts. Settings only compute, units were read above."""
    own = [*(ROOT / "roles" / role).glob("*.py"), *(ROOT / "templates" / role).glob("*.sh.j2")]
    used, leading = set(), leads(stack, role)
    for file in (*own, *(ROOT / "procedures").rglob("*.py"), *PACKAGE):
        if file.name in ("settings.py", "generation.py"):
            continue
        name = str(file.relative_to(ROOT))
        text = re.sub(r"^(from|import) .*$", "", file.read_text(), flags=re.MULTILINE)
        words = f"settings|{role}" if file in own else role
        for attribute in leading:
            if re.search(rf"\b(?:{words})\.{re.escape(attribute)}\b", text):
                used.add((name, attribute))
    expected = {(n, a) for n, a in SAFE if n.split("/")[1] == role}
    assert used == expected, "say in SAFE why root may, or have the daemon's user do it (setpriv)"


def test_what_root_needs_of_kamailio_and_egress_it_asks_as_them(stack: HostStack) -> None:
    for name in ("dispatch.sh", "reread.sh"):
        (script,) = (f.text for f in files(stack) if f.path.endswith(f"/kamailio/{name}"))
        asking = [line for line in script.splitlines() if "kamcmd -s" in line]
        assert asking
        assert all("setpriv --reuid=kamailio --regid=kamailio --clear-groups timeout" in line for line in asking)


def test_each_daemon_has_a_user_of_its_own(stack: HostStack) -> None:
    users: dict[str, set[str]] = {}
    for unit in units(stack):
        if unit.user not in ("root", "somebody"):
            users.setdefault(unit.user, set()).add(unit.name.partition("@")[0])
    assert {user: names for user, names in users.items() if len(names) > 1} == {}


def test_each_daemon_that_serves_has_limits(stack: HostStack) -> None:
    limits = {f.path.split("/")[-2]: f.text for f in files(stack) if f.path.endswith("/40-limits.conf")}
    for unit in units(stack):
        text = unit.text + limits.get(f"{unit.name}.d", "")
        if unit.user != "root":
            assert re.search(r"^MemoryMax=(\d+%|\d+[MG])$", text, re.MULTILINE), unit.name
            assert re.search(r"^TasksMax=\d+$", text, re.MULTILINE), unit.name


def test_users_of_the_host_are_nothing_to_a_daemon(stack: HostStack) -> None:
    """PrivateUsers=: everywhere but at the edge, whose right to ports below 1024 would not count in there."""
    without = {u.name for u in units(stack) if u.user != "root" and "PrivateUsers=yes" not in u.text}
    assert without == {"livekit-edge.service"}
    (edge,) = (u for u in units(stack) if u.name == "livekit-edge.service")
    assert edge.all("AmbientCapabilities") == ["CAP_NET_BIND_SERVICE"]


def _unit(stack: HostStack, name: str) -> Unit:
    return next(u for u in units(stack) if u.name == name)


@pytest.mark.parametrize(
    ("name", "most"),
    [("livekit-firewall.service", 2.0), ("livekit-drain-guard.service", 2.5), ("livekit-hidepid.service", 3.5)],
)
def test_what_root_itself_runs_is_in_a_sandbox_too(
    stack: HostStack, verify_unit: Callable[[str, str], float], name: str, most: float
) -> None:
    assert verify_unit(name, _unit(stack, name).text) <= most
