"""The end of the pyinfra form: the checks of a client from this machine (and from a host), judged with the looks."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError
from livekit_metal.call.quality.figures import Figures
from livekit_metal.core import check_result as rows
from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.core.errors import as_called_here
from livekit_metal.core.switches import switches
from livekit_metal.diagnosis.from_client import calls, quality
from livekit_metal.diagnosis.on_host import cores
from livekit_metal.diagnosis.on_host.checks import Found
from livekit_metal.diagnosis.root_cause import attribute
from livekit_metal.diagnosis.subject import Subject, admitted, no_relays, shut
from livekit_metal.roles.edge.doors import PROXIES
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.exporters.settings import SCRAPERS
from livekit_metal.roles.exporters.settings import Settings as Exporters
from livekit_metal.roles.firewall.settings import Settings as Firewall
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.runtime.host.commands import HostError, read
from livekit_metal.runtime.probe import on_host
from livekit_metal.runtime.run.read_only import Unreachable
from livekit_metal.site import inventory
from livekit_metal.site.model import Site

if TYPE_CHECKING:
    from pyinfra.api.state import State

HERE = "controller"
_ROOT = Path(__file__).parents[2]
_LONGEST = 300  # s for all calls from here
_judged: list[CheckResult] = []


def conclude(site: Site, run: State, found: Mapping[str, Any]) -> int:
    """Everything that is checked when the hosts have been looked at; the exit status."""
    found = {name: found[name] for name in site.hosts if name in found}
    looked = [row for name, one in found.items() for row in _of(name, one)]
    case = _case(site, found)
    outside = _from_here(case) if case else [_no_access(site)]
    vantage = next((name for host in run.inventory if (name := switches(host.data.get).vantage)), "")
    inside = _from_host(run, site, case, vantage) if case and vantage else []
    waited = _waited(run, site, found) if case else []
    _judged[:] = attribute([*looked, *waited, *outside, *inside])
    return rows.status(_judged)


def show(run: State, found: Mapping[str, Any]) -> None:
    """Print it all on standard output; ``--data json=yes`` chooses the object."""
    if not _judged:  # no host was looked at
        conclude(inventory.current(), run, found)
    if any(switches(host.data.get).json for host in run.inventory):
        click.echo(rows.as_json(_judged, rows.moment(time.time())))
        return
    click.echo(as_called_here("\n".join(["", *rows.table(_judged)])))


def _of(name: str, one: Any) -> Sequence[CheckResult]:
    if isinstance(one, Unreachable):
        fact, _, remedy = " ".join(one.why.split()).rpartition("; ")
        return [failed("reach", name, HERE, fact or one.why, remedy)]
    assert isinstance(one, Found)
    return one.rows


def _case(site: Site, found: Mapping[str, Any]) -> Subject | None:
    try:
        access = Access.of(site)
    except CallError:
        return None
    public = {name: host.public_address for name, host in site.hosts.items()}
    livekit = site.of(Livekit)
    return Subject(
        access=access,
        nodes={name: one.node for name, one in found.items() if isinstance(one, Found) and one.node},
        closed={public[name]: shut(site.ports(name)) for name in found},
        beyond={public[name]: no_relays(site.ports(name)) for name in found},
        addresses=[address for host in site.hosts.values() for address in host.node_ip.split(",")],
        turn={n: site.of(Livekit, n).turn.name(n) for n in site.with_role("livekit") if livekit.turn.enabled},
        tcp=livekit.ice_over_tcp,
        admitted=_admitted(site, found),
        quality=livekit.quality,
        unfiltered=[public[name] for name in found if not site.of(Firewall, name).filters],
        here=HERE,
    )


def _waited(run: State, site: Site, found: Mapping[str, Any]) -> list[CheckResult]:
    """What livekit-server on each host waited for a core since the look, so while the calls were made."""
    rows = []
    for name, one in found.items():
        if isinstance(one, Found) and one.waits:
            stack = site.for_host(name)
            program, words = cores.question(stack)
            try:
                lines = read(run.inventory.get_host(name), program, *words).splitlines()
            except HostError:
                continue  # it could be read a minute ago, and what is wrong with it now has rows of its own
            rows.append(cores.judged(stack, one.waits, cores.Waits.read(lines)))
    return [row for row in rows if row]


def _admitted(site: Site, hosts: Iterable[str]) -> dict[str, Sequence[str]]:
    edge, exporters = site.of(Edge), site.of(Exporters)
    networks = {PROXIES: edge.proxies, SCRAPERS: exporters.networks}
    return {name: who for host in hosts for name, who in admitted(site.ports(host), networks).items()}


def _no_access(site: Site) -> CheckResult:
    assert site.vault is not None
    return failed("keys", "", HERE, f"{site.vault.path} does not exist yet", "the first deploy makes it")


def _from_here(case: Subject) -> list[CheckResult]:
    """In a process of its own: asyncio and what pyinfra has patched do not mix."""
    command = [sys.executable, "-m", "livekit_metal.diagnosis", "--case", "--json"]
    try:
        done = subprocess.run(
            command, input=case.to_json(), cwd=_ROOT, capture_output=True, text=True, check=False, timeout=_LONGEST
        )
        return rows.from_json(json.loads(done.stdout)["rows"])
    except subprocess.TimeoutExpired:
        fact = f"they did not end within {_LONGEST} s"
    except ValueError:
        fact = f"they ended with {done.returncode}: {done.stderr.strip()[-300:]}"
    remedy = "run them alone: python -m procedures.doctor --inventory INVENTORY"
    return [CheckResult(check="calls", vantage=HERE, result=Result.UNKNOWN, said=fact, remedy=remedy)]


def _from_host(run: State, site: Site, case: Subject, vantage: str) -> list[CheckResult]:
    """The calls once more, from a host; what makes them is brought there if it is missing."""
    try:
        place = run.inventory.get_host(vantage)
    except Exception:  # pyinfra has a class of its own for a name that is not there
        place = None
    if place is None or not place.connected:
        remedy = "name a host of this run that is reached: --data from=" + next(iter(site.hosts))
        return [failed("calls", vantage, HERE, "no calls can be made from there", remedy)]
    try:
        read(place, 'python3 -I -c "import asyncio"')  # python3-minimal is not enough
    except HostError:
        fact, remedy = f"{vantage} has no whole python3", "livekit.probe host or peer has base install it"
        return [
            CheckResult(check="calls", about=vantage, vantage=HERE, result=Result.UNKNOWN, said=fact, remedy=remedy)
        ]
    rows = []
    for name, node in case.nodes.items():
        found = {path: _call(place, site, case.access, (name, node, path)) for path in ("udp", "tcp")}
        rows += [row for row, _ in found.values()]
        measured = {path: figures for path, (_, figures) in found.items() if figures}
        rows += quality.rows(name, vantage, measured, case.quality)
    return rows


def _call(place: Any, site: Site, access: Access, way: tuple[str, str, str]) -> tuple[CheckResult, Figures | None]:
    about, node, path = way
    words = calls.arguments(node=node, through=(about, about), path=path)
    try:
        plain = json.loads(json.dumps(asdict(access.portable())))
        said = on_host.call(place, f"{site.paths.releases}/probe", plain, words, calls.WITHIN)
    except HostError as error:
        remedy = "see what is said; --data from=HOST names another"
        row = CheckResult(check=path, about=about, vantage=place.name, result=Result.UNKNOWN, said=str(error))
        return replace(row, remedy=remedy), None
    return calls.judged(said, path, about, place.name, None), calls.measured(said)
