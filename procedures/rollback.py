"""Back to the generation that served before, through the same machine as a deploy: no call drops.

    pyinfra inventories/prod.py procedures/rollback.py --data why="no video since the upgrade"

Of livekit-server, or of the daemon in slots that ``--data role=NAME`` names.

Works while the last change still drains. Each host goes back to what served on it before; what is given up is recorded
on the hosts, and a deploy of it is refused until the inventory changes (or with ``--data accept=GENERATION``). Hosts
that the change has not reached are left alone. ``--data any=yes`` rolls back whatever serves, also when the inventory
has been edited since the last deploy; ``--data version-skip=accept`` also goes back to a version that must not follow
the present one (livekit_metal/releases/versions.toml).
"""

from functools import partial
from typing import Any

from pyinfra import host
from pyinfra.api.exceptions import PyinfraError

from livekit_metal.core import records
from livekit_metal.core.switches import switches
from livekit_metal.roles.edge import tasks as edge
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.firewall import tasks as firewall
from livekit_metal.roles.firewall.settings import Settings as Firewall
from livekit_metal.roles.kernel import tasks as kernel
from livekit_metal.roles.kernel.settings import Settings as Kernel
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run import lock, report
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.task import DeferredTask, Task
from livekit_metal.runtime.run.turns import Run
from livekit_metal.runtime.slots import rollback
from livekit_metal.runtime.slots.components import changed, components
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.site import inventory

site = inventory.current()
stack = site.for_host(host.name)
given = switches(host.data.get)
name, role = host.name, given.role
report.install()


def parts(seen: HostState, now: SlottedDaemon[Any]) -> tuple[Task, ...]:
    """The host's parts with the ports of then: they open before the old slot starts again."""
    to = rollback.target(now, seen, anything=given.any)
    if isinstance(to, str):
        return ()
    then = changed(site, role, to.then).for_host(name)
    return (
        kernel.activate(then.the(Kernel)),
        firewall.activate(then.the(Firewall), Run(site, then, given).call_check()),
        edge.activate(then.the(Edge)),
        rollback.roll_back(components(then)[role], to, given.why),
    )


known = sorted({each for other in site.hosts for each in components(site.for_host(other))})
if role not in known:
    raise PyinfraError(f"role: {role!r} has no slots in this site; choose one of {', '.join(known)}")
lock.take()
if server := components(stack).get(role):
    rollback.prepare(server, anything=given.any, accept_skip=given.version_skip)
    one_by_one(
        "Rollback",
        DeferredTask(rollback.questions(server), partial(parts, now=server)),
        marker=records.maintenance(site.paths.config),
    )
