"""Back to the generation that served before, through the same machine as a deploy: no call drops.

    pyinfra inventories/prod.py procedures/rollback.py --data why="no video since the upgrade"

Of livekit-server, or of the daemon that ``--data role=egress`` (and so on) names.

Works while the last change still drains. Each host goes back to what served on it before; what is given up is recorded
on the hosts, and a deploy of it is refused until the inventory changes (or with ``--data accept=GENERATION``). Hosts
that the change has not reached are left alone. ``--data any=yes`` rolls back whatever serves, also when the inventory
has been edited since the last deploy; ``--data version-skip=accept`` also goes back to a version that must not follow
the present one (stack/versions.toml).
"""

import dataclasses
from functools import partial

from pyinfra import host
from pyinfra.api.exceptions import PyinfraError

from procedures.components import components
from roles import edge, firewall, kernel, livekit
from roles._kit import back, lock, report
from roles._kit.component import Component
from roles._kit.look import Seen
from roles._kit.plan import Later, Part
from roles._kit.turn import turn
from stack import inventory, records
from stack.switches import switches

site = inventory.current()
stack = site.on(host.name)
given = switches(host.data.get)
name, role = host.name, given.role
report.install()


def parts(seen: Seen, now: Component) -> tuple[Part, ...]:
    """The host's parts with the ports of then: they open before the old slot starts again."""
    to = back.target(now, seen, anything=given.any)
    if isinstance(to, str):
        return ()
    then = dataclasses.replace(site, **{role: dataclasses.replace(getattr(site, role), **to.then)}).on(name)
    assert then.edge, "whatever has slots stands behind an edge"
    return (
        kernel.activate(then.kernel),
        firewall.activate(then.firewall, livekit.proves(then.livekit) if then.livekit else None),
        edge.activate(then.edge),
        back.roll_back(components(then)[role], to, given.why),
    )


known = sorted({each for other in site.hosts for each in components(site.on(other))})
if role not in known:
    raise PyinfraError(f"role: {role!r} has no slots in this site; choose one of {', '.join(known)}")
lock.take()
if server := components(stack).get(role):
    back.prepare(server, anything=given.any, accept_skip=given.version_skip)
    turn(
        "Rollback",
        Later(back.questions(server), partial(parts, now=server)),
        marker=records.maintenance(site.paths.config),
    )
