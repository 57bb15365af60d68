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

from pyinfra import context, host, local

from procedures.components import components, keeper
from roles import livekit
from roles._kit import lock, maintenance, report
from roles._kit.change import Failed
from roles._kit.component import Component
from roles._kit.elsewhere import need_another
from roles._kit.look import Seen
from roles._kit.plan import Part, Step, Todo
from roles._kit.stage import stage
from roles._kit.turn import turn
from stack import inventory, records
from stack.switches import switches

site = inventory.current()
stack = site.on(host.name)
marker = records.maintenance(site.paths.config)
given = switches(host.data.get)
report.install()


def named(_: Seen) -> Todo:
    """Raises Failed when it is not said which host is meant."""
    serving = [
        n for n in site.hosts if components(site.on(n)) and host.state.is_host_in_limit(host.inventory.get_host(n))
    ]
    if len(serving) > 1:
        raise Failed(f"drain: would empty {' and '.join(serving)} at once; name one: --limit {serving[0]}")
    if not serving:
        raise Failed("drain: carries nothing that has slots; name a host that does with --limit")
    return Todo()


def mark(seen: Seen, each: Component) -> tuple[Step, ...]:
    """Say on the host that it is out of service, and why. Raises Failed when ``each`` would serve nowhere."""
    if maintenance.words(seen):
        return ()
    if not given.alone:
        here = context.ctx_host.get()
        need_another(here, [n for n in site.with_role(each.role) if n != here.name], each)
    return (Step("mark the host", lambda h: maintenance.begin(h, marker, given.why)),)


def end(seen: Seen) -> Todo:
    """Out of maintenance; what is deployed next puts the host into service."""
    if not maintenance.words(seen):
        return Todo(notes=("it was not in maintenance",))
    return Todo((Step("end the maintenance", lambda h: maintenance.end(h, marker)),))


lock.take()
if given.back:
    stage(Part("drain", maintenance.needs(marker), end), "Maintenance")
    local.include("deploy.py")
else:
    lock.take_site(keeper(site))  # before anything is looked at: who serves beside this host must stay so
    stage(Part("drain", maintenance.needs(marker), named), "Maintenance")
    mine = components(stack)
    others = stack.edge.peer_endpoints if stack.edge else {}
    turn(
        "Drain",
        livekit.drain(stack.livekit, marker, others, why=given.why, alone=given.alone) if stack.livekit else None,
        *(
            each.retire(partial(mark, each=each), maintenance.needs(marker))
            for role, each in mine.items()
            if role != "livekit"
        ),
    )
