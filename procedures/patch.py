"""The hosts' own upgrades, host by host: drain, Debian's updates, reboot if they ask for it, checks, back into service.

    pyinfra inventories/prod.py procedures/patch.py [--limit lk2] [--data updates=all] [--data within=2h]

In the order of the inventory, the first is the canary; it stops at the first failure and may be run again, it goes on
from what it finds. A host without anything due is not touched. Security updates only, unless ``updates=all``; what is
held (apt-mark) stays, nothing is removed. A host has ``within`` (one hour) to become empty; then the run stops, or with
``calls=drop`` cuts whoever is there. ``reboot`` is ``needed`` (for kernel and libraries), ``always`` or ``never``. Back
into service is a deploy of the host: its slots are proved by calls before anybody lands on them. Refused where no other
host serves (``alone=yes``), and while somebody else takes a host of the site out of service.
"""

from functools import partial
from typing import Any

from pyinfra import context, host

from livekit_metal.core import records
from livekit_metal.core.switches import switches
from livekit_metal.diagnosis.on_host import checks
from livekit_metal.patching import lists
from livekit_metal.patching.due import Asked
from livekit_metal.patching.tasks import WHY, Patching, rows_of
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.livekit import maintenance as livekit
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run import lock, maintenance, report, waves
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.task import Action
from livekit_metal.runtime.run.turns import Run
from livekit_metal.runtime.slots.components import components, keeper
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.runtime.slots.elsewhere import need_another
from livekit_metal.site import inventory
from livekit_metal.site.rollout import Rollout

site = inventory.current()
given = switches(host.data.get)
run = Run(site, site.for_host(host.name), given)
stack, marker = run.stack, records.maintenance(site.paths.config)
asked = Asked.of(given)
patching = Patching(host.name, marker, asked)
in_run = frozenset(each.name for each in host.state.inventory if host.state.is_host_in_limit(each))
report.install()


def mark(seen: HostState, each: SlottedDaemon[Any]) -> tuple[Action, ...]:
    """Say on the host that it is out of service. Raises HostError when ``each`` would serve nowhere."""
    if not given.alone:
        here = context.ctx_host.get()
        carries = [n for n in site.hosts if n != here.name and each.role in components(site.for_host(n))]
        need_another(here, carries, each)
    if maintenance.words(seen):
        return ()
    return (Action("mark the host", partial(maintenance.begin, path=marker, why=WHY)),)


mine = components(stack)
partners = [name for name in site.hosts if name != host.name and components(site.for_host(name))]
others = stack.the(Edge).peer_endpoints if stack.of(Edge) else {}
drains = [
    *([livekit.drain(stack.the(Livekit), marker, others, why=WHY, alone=given.alone)] if stack.of(Livekit) else []),
    *(
        each.retire(partial(mark, each=each), maintenance.needs(marker))
        for role, each in mine.items()
        if role != "livekit"
    ),
]
rows = rows_of(
    partial(checks.of, stack, in_run, site.vault.keys_of_nodes if site.vault else {}),
    partial(lists.looked, needs=checks.needs(stack)),
)
lock.take()
lock.take_site(keeper(site))  # before anything is looked at: who serves beside a host must stay so
lists.refresh()
run.prepare()
back = run.tasks("foundation_first", "foundation", "services_first", "services", "services_last", "certificates")
one_by_one(
    "Patch",
    patching.consent(nobody_else=bool(mine) and not partners),
    *([patching.only(each) for each in drains] or [patching.mark()]),
    patching.empty(list(mine.values())),
    patching.upgrade(),
    patching.restart(),
    *map(patching.only_begun, back),
    patching.finish(rows, run.call_check()),
    marker=marker,
    ours=WHY,
    rules=waves.Rules(Rollout(pause=site.rollout.pause)),
)
