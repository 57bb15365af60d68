"""Empty a host for maintenance: calls go on to their end, new sessions reach other hosts through the edges.

    pyinfra inventories/prod.py procedures/drain.py --limit lk2 --data why="new power supply"
    pyinfra inventories/prod.py procedures/status.py                    # until nobody is on it
    pyinfra inventories/prod.py procedures/drain.py --limit lk2 --data back=yes

Deploys prepare a host in maintenance but do not activate it, and a reboot does not bring it back into service.
``back=yes`` does, with everything that was deployed meanwhile. Refused when no other host takes new sessions, or
recordings, streams, calls where others are to (``--data alone=yes``), and while somebody else takes a host of the site
out of service.
"""

from functools import partial
from typing import Any

from pyinfra import context, host, local

from livekit_metal.core import records
from livekit_metal.core.switches import switches
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.livekit import maintenance as livekit
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run import lock, maintenance, report
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.runtime.slots.components import components, keeper
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.runtime.slots.elsewhere import need_another
from livekit_metal.site import inventory

site = inventory.current()
stack = site.for_host(host.name)
marker = records.maintenance(site.paths.config)
given = switches(host.data.get)
report.install()


def named(_: HostState) -> Plan:
    """Raises HostError when it is not said which host is meant."""
    serving = [
        n
        for n in site.hosts
        if components(site.for_host(n)) and host.state.is_host_in_limit(host.inventory.get_host(n))
    ]
    if len(serving) > 1:
        raise HostError(f"drain: would empty {' and '.join(serving)} at once; name one: --limit {serving[0]}")
    if not serving:
        raise HostError("drain: carries nothing that has slots; name a host that does with --limit")
    return Plan()


def mark(seen: HostState, each: SlottedDaemon[Any]) -> tuple[Action, ...]:
    """Say on the host that it is out of service, and why. Raises HostError when ``each`` would serve nowhere."""
    if maintenance.words(seen):
        return ()
    if not given.alone:
        here = context.ctx_host.get()
        need_another(
            here, [n for n in site.hosts if n != here.name and each.role in components(site.for_host(n))], each
        )
    return (Action("mark the host", lambda h: maintenance.begin(h, marker, given.why)),)


def end(seen: HostState) -> Plan:
    """Out of maintenance; what is deployed next puts the host into service."""
    if not maintenance.words(seen):
        return Plan(notes=("it was not in maintenance",))
    return Plan((Action("end the maintenance", lambda h: maintenance.end(h, marker)),))


lock.take()
if given.back:
    in_parallel(Task("drain", maintenance.needs(marker), end), "Maintenance")
    local.include("deploy.py")
else:
    lock.take_site(keeper(site))  # before anything is looked at: who serves beside this host must stay so
    in_parallel(Task("drain", maintenance.needs(marker), named), "Maintenance")
    mine = components(stack)
    others = stack.the(Edge).peer_endpoints if stack.of(Edge) else {}
    one_by_one(
        "Drain",
        livekit.drain(stack.the(Livekit), marker, others, why=given.why, alone=given.alone)
        if stack.of(Livekit)
        else None,
        *(
            each.retire(partial(mark, each=each), maintenance.needs(marker))
            for role, each in mine.items()
            if role != "livekit"
        ),
    )
