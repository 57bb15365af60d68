"""What is wrong with a host, worked out from its answers. Pure; every finding reads ``path: fact; remedy``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from livekit_metal.core.errors import Problem
from livekit_metal.core.ports import Proto, Reach
from livekit_metal.roles.preflight import capacity, listeners
from livekit_metal.roles.preflight.finding import OURS, Finding, finding, no_hairpin, one
from livekit_metal.roles.preflight.media import media
from livekit_metal.roles.preflight.secrets import apart, secrets, signed
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.runtime.host.listeners import parse
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.probe.bundle import OLDEST

PROVED = {("debian", "12"), ("debian", "13")}
RENDERED = {("ubuntu", "24.04"), ("ubuntu", "26.04")}
KERNEL = (5, 4)
SYSTEMD = 249
_REDIS = ("livekit-redis.service", "livekit-redis-forward.service", "livekit-redis-formerly.service")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def findings(settings: Settings, seen: HostState, in_run: Collection[str]) -> Iterator[Finding]:
    """Everything at once. ``in_run`` names the hosts of this run: a silent peer outside it stops nothing."""
    for check in (
        _system,
        capacity.size,
        capacity.demands,
        capacity.load,
        _clock,
        _addresses,
        media,
        _ports,
        _led_elsewhere,
        _firewalls,
        listeners.closed_unasked,
        listeners.interfaces,
        secrets,
        signed,
        _left,
        _calls,
        _notes,
    ):
        yield from dict.fromkeys(check(settings, seen))  # a listener on IPv4 and IPv6 is one finding
    yield from apart(settings, seen, in_run)
    yield from _peers(settings, seen, in_run)
    yield from _behind(settings, seen)


def _system(settings: Settings, seen: HostState) -> Iterator[Finding]:
    name, _, version = one(seen, "os").partition(" ")
    if (name, version) in RENDERED:
        yield finding(settings, "os", f"{name} {version} is rendered, not proved here", "test it first", stops=False)
    elif (name, version) not in PROVED:
        yield finding(settings, "os", f"is {name or 'unknown'} {version}".rstrip(), "use Debian 12 or 13")
    kernel, machine = ([*seen.answers["preflight.kernel"], "", ""])[:2]
    numbers = re.match(r"(\d+)\.(\d+)", kernel)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < KERNEL:
        yield finding(settings, "kernel", f"is {kernel or 'unknown'}", f"use {KERNEL[0]}.{KERNEL[1]} or newer")
    if (arch := _MACHINES.get(machine, machine)) != settings.arch:
        remedy = f"set hosts.{settings.host}.arch to '{arch}'" if arch in _MACHINES.values() else "use amd64 or arm64"
        yield finding(settings, "architecture", f"is {arch or 'unknown'}, the inventory says {settings.arch}", remedy)
    init, systemd = ([*seen.answers["preflight.init"], "", ""])[:2]
    if init != "systemd" or not systemd.isdigit() or int(systemd) < SYSTEMD:
        fact = f"is {init or 'unknown'} {systemd}".rstrip()
        yield finding(settings, "init", fact, f"boot the host with systemd {SYSTEMD} or newer")
    if missing := seen.answers["preflight.tools"]:
        yield finding(settings, "programs", f"{', '.join(missing)} missing", "install a usual Debian server system")


def _clock(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """The host's time must lie between question and answer, both on the controller's clock."""
    host = float(one(seen, "clock") or 0)
    skew = max(seen.asked - host, host - seen.answered, 0.0)
    if skew > settings.max_skew:
        fact = f"is {skew:.1f} s off the controller's; from 5 s on nodes lose each other"
        yield finding(settings, "clock", fact, "synchronise both (timedatectl set-ntp true)")


def _addresses(settings: Settings, seen: HostState) -> Iterator[Finding]:
    there = seen.answers["preflight.addresses"]
    usable = ", ".join(a for a in there if not a.startswith(("127.", "::1", "fe80:"))) or "none"
    for address in settings.bound:
        if address not in there:
            fact = f"edge.address {address} is on no interface (there are: {usable})"
            yield finding(settings, "address", fact, "correct edge.address, or give the host that address")
    for address in settings.addresses:
        if address not in there:
            remedy = f"correct hosts.{settings.host}.address or .cluster; behind NAT, address is the inner one"
            yield finding(settings, "address", f"{address} is on no interface (there are: {usable})", remedy)


def _ports(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """Declared ports that a process of somebody else has: one that runs in no unit of ours.

    Of a range for media a slot binds its first ports, one for each core. In the rest another socket is worth a word
    only: a client's may be there by chance (the range overlaps ip_local_port_range until it is reserved).
    """
    bound = int(one(seen, "cores") or 1)
    declared = [p for p in settings.ports if p.reach is not Reach.ADMIN]
    for listener in parse(seen.answers["preflight.sockets"]):
        if listener.unit in settings.daemons and listener.unit not in _REDIS:
            continue
        number, who = listener.port, listener.who or "another process"
        for port in declared:
            if port.proto is not listener.proto or not port.range.first <= number <= port.range.last:
                continue
            if port.addresses and listener.address and listener.address not in port.addresses:
                continue  # beside ours
            what = f"{number}/{port.proto} of {port.owner}/{port.name}"
            if listener.unit not in _REDIS:
                stops = number < port.range.first + bound or port.proto is Proto.TCP
                yield finding(settings, "port", f"{what} is taken by {who}", f"stop it, or {port.moved}", stops=stops)
            elif port.owner != "redis":  # earlier slots expect Redis there
                remedy = f"move Redis first, and {port.option} by a later deploy, when earlier slots have ended"
                yield finding(settings, "port", f"{what} is where Redis is or was", remedy)


def _led_elsewhere(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """A port that nobody listens on, and that rules of somebody else lead on all the same."""
    for port in settings.ports:
        for line in seen.answers.get(f"preflight.led-{port.name}", ()) if port.fixed else ():
            fact = f"{port.range}/{port.proto} of {port.owner}/{port.name} is led elsewhere by a rule: {line.strip()}"
            yield finding(settings, "port", fact, f"take it away (a container may publish that port), or {port.moved}")


def _firewalls(settings: Settings, seen: HostState) -> Iterator[Finding]:
    if not settings.filters:
        return  # then they are the ones that must
    both = "two firewalls both have to accept a packet"
    ufws = ("ip filter", "ip6 filter") if seen.answers["preflight.ufw"] else ()
    if ufws:
        yield finding(
            settings, "firewall", f"ufw is active; {both}", "`ufw disable` on the host: livekit-metal has its own"
        )
    if seen.unit("firewalld.service", "ActiveState") == "active":
        remedy = "`systemctl disable --now firewalld` on the host: livekit-metal has its own"
        yield finding(settings, "firewall", f"firewalld is active; {both}", remedy)
    if seen.unit("nftables.service", "ActiveState") == "active":
        fact = "nftables.service is active, and flushes every table, ours too, whenever it is restarted or reloaded"
        yield finding(
            settings, "firewall", fact, "`systemctl disable nftables`; its rules stay until a reboot", stops=False
        )
    table = ""
    for line in seen.answers["preflight.chains"]:
        if line.startswith("table "):
            table = line.removeprefix("table ").removesuffix(" {")
        elif "hook input" in line and "policy drop" in line and table not in (OURS, *ufws):
            fact = f"nftables' table {table} drops what it does not know; {both}"
            yield finding(
                settings, "firewall", fact, f"remove it (`nft delete table {table}`, and what loads it at boot)"
            )


def _left(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """Units of ours that the site has elsewhere or nowhere now. They may hold data: the operator ends them."""
    for line in seen.answers["preflight.units"]:
        unit, _, state = line.partition(" ")
        if unit not in (*settings.daemons, *settings.ends) and not unit.endswith("@.service"):
            # a second Redis would start empty, and rooms would be on two buses
            stops = unit == _REDIS[0] and state == "active"
            remedy = f"move what it holds, then `systemctl disable --now {unit}` and remove {UNITS}/{unit}"
            yield finding(settings, "units", f"{unit} is here and the site no longer has it here", remedy, stops=stops)


def _calls(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """Whether a host can be the place from which calls are made (livekit.probe)."""
    version = one(seen, "python")
    if settings.calls and version and tuple(int(n) for n in version.split(".")) < OLDEST:
        fact = f"a call needs Python {'.'.join(map(str, OLDEST))}, {settings.host} has {version}"
        yield Finding(Problem("livekit.probe", fact, "use controller"))
    if settings.calls == "host" and one(seen, "hairpin") == "lost":
        fact = no_hairpin(settings)
        yield Finding(Problem("livekit.probe", fact, "use controller or peer" if settings.peers else "use controller"))


def _notes(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """What needs no look at the host."""
    yield from (Finding(note, stops=False) for note in settings.notes)


def _behind(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """Nodes that are there, and out of reach at the one address that daemons here are told of them."""
    there = {line.partition(" ")[0] for line in seen.answers["preflight.peers"] if not line.endswith(" silent")}
    by_name = {p.name: p for p in settings.behind}
    for line in seen.answers["preflight.behind"]:
        name, _, said = line.partition(" ")
        if said != "answers" and name in there:
            at = by_name[name]
            fact = f"{settings.host} does not reach {at.address}:{at.port}, where daemons here send media for {name}"
            remedy = f"set hosts.{name}.inside, which tells them its own address too, or ask for hairpin NAT"
            yield finding(settings, "hairpin", fact, f"{remedy} (docs/network.md)", stops=False)


def _peers(settings: Settings, seen: HostState, in_run: Collection[str]) -> Iterator[Finding]:
    peers = {p.name: p for p in settings.peers}
    for line in seen.answers["preflight.peers"]:
        name, _, said = line.partition(" ")
        if said == "silent":
            fact = f"{name} does not answer at {peers[name].address}"
            remedy = f"check hosts.{name}.cluster, routing and firewalls between the hosts"
            yield finding(settings, "peer", fact, remedy, stops=name in in_run)
        elif said == "drops":  # as it must while its rules do not know this host yet
            fact = f"{name} is there and drops what comes to port {peers[name].port}"
            remedy = f"a deploy of {name} opens it, unless another firewall is between the hosts"
            yield finding(settings, "peer", fact, remedy, stops=False)
