"""What is gathered on a host, and why. Each answer becomes a file of the archive."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from click import unstyle

from livekit_metal.core import check_result, records, shell
from livekit_metal.core.printable import printable
from livekit_metal.diagnosis.on_host import checks
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.status import facts, render

if TYPE_CHECKING:
    from livekit_metal.core.types.duration import Duration
    from livekit_metal.site.model import HostStack, Site

_CONFIGURATION, _SYSTEM, _NETWORK, _SERVICES = (
    shell.program(__file__, name) for name in ("configuration", "system", "network", "services")
)
# What a question may bring: the end of a longer text says more than its beginning.
_MOST = 4_000_000  # bytes
_LINES = 20_000
_STATUS = "collect.status "  # before the names of what status asks


@dataclass(frozen=True, slots=True)
class Source:
    """A file of the archive for each host: what is asked there, and what for."""

    name: str
    asked: str  # shell
    why: str


def sources(site: Site, since: Duration) -> tuple[Source, ...]:
    """Everything that is asked of a host beside what status and doctor ask; journals are ``since`` seconds long."""
    journal = f"journalctl --no-pager --quiet -o short-iso-precise --since=-{int(since)}s -n {_LINES}"
    paths = site.paths
    return (
        Source(
            "system.txt", _SYSTEM, "distribution, kernel, memory, disks, clock, what of the kernel's settings matters"
        ),
        Source("network.txt", _NETWORK, "addresses, routes, who listens where, drops of datagrams"),
        Source("firewall.txt", "nft list ruleset", "all tables, also those of others"),
        Source("services.txt", _SERVICES, "our units, what has failed, timers"),
        Source("packages.txt", "dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\\n'", "what is installed"),
        Source(
            "configuration.txt",
            shell.given(_CONFIGURATION, paths.config, paths.releases, paths.state),
            "our directories, and our files that every account of the host may read: others may hold secrets",
        ),
        Source("audit.log", f"tail -n 1000 {records.AUDIT}", "who changed what"),
        Source("journal.txt", f"{journal} -u 'livekit-*' -u 'lkm-*' | tail -c {_MOST}", "what our daemons said"),
        Source("kernel.txt", f"{journal} -k | tail -c {_MOST}", "what the kernel said"),
        Source("others.txt", f"{journal} -p warning | tail -c {_MOST}", "warnings of everything else"),
    )


def needs(site: Site, stack: HostStack, since: Duration) -> StateQuery:
    """What to look at on one host."""
    asked = tuple((f"collect.{each.name}", f"{{ {each.asked}\n}} 2>&1") for each in sources(site, since))
    status = facts.needs(site, stack)
    # the doctor asks slots for something else under the same names
    apart = replace(status, queries=tuple((_STATUS + name, text) for name, text in status.queries))
    return StateQuery(queries=asked) | apart | checks.needs(stack)


def of(site: Site, stack: HostStack, since: Duration, in_run: frozenset[str], seen: HostState) -> Mapping[str, str]:
    """The files of one host: name -> text, with its secrets still in it."""
    found = {each.name: _plain(seen.answers[f"collect.{each.name}"]) for each in sources(site, since)}
    apart = {name.removeprefix(_STATUS): said for name, said in seen.answers.items() if name.startswith(_STATUS)}
    for_status = replace(seen, answers=apart)
    keys = site.vault.keys_of_nodes if site.vault else {}
    judged: dict[str, Callable[[], str]] = {
        "status.json": lambda: render.as_json({stack.host: facts.of(stack, for_status)}, seen.answered),
        "doctor.txt": lambda: unstyle("\n".join(check_result.table(checks.of(stack, in_run, keys, seen).rows))),
        "settings.json": partial(_settings, stack),
    }
    for name, text in judged.items():
        try:
            found[name] = text()
        except Exception as error:  # that one of them cannot be made is a finding too
            found[name] = f"cannot be told: {type(error).__name__}: {error}"
    return found


def _plain(lines: list[str]) -> str:
    """Lines of others, harmless for the terminal of whoever reads them."""
    harmless = (line if line.isprintable() else printable(line, len(line), keep="\t") for line in lines)
    return "".join(f"{line}\n" for line in harmless)


def _settings(stack: HostStack) -> str:
    """What the inventory comes to on this host, defaults and all. Secrets print as their labels."""
    found = {field.name: getattr(stack, field.name) for field in dataclasses.fields(stack)}
    return json.dumps({name: repr(own) for name, own in found.items() if own and name != "ports"}, indent=1)
