"""Take everything that livekit-metal put on a host off it again.

    pyinfra inventories/prod.py procedures/remove_host.py --limit lk3 --data remove=lk3

The host is drained first: nobody new comes, and while people are on it the removal is refused; run the same again when
they have left (``--data calls=drop`` does not wait for them). Data of Redis and Prometheus on the host goes too.
Refused while the host carries the Redis of others, when other hosts are to take its new sessions and none does
(``--data alone=yes``), and while somebody else takes a host of the site out of service. Kernel values stay raised until
the next boot.
"""

from pyinfra import host

from livekit_metal.core import records
from livekit_metal.core.switches import switches
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.livekit import maintenance
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.redis.settings import Settings as Redis
from livekit_metal.runtime.run import lock, report
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.slots.components import components, keeper
from livekit_metal.runtime.slots.uninstall import consent, removal
from livekit_metal.site import inventory
from livekit_metal.site.footprint import footprint

site = inventory.current()
stack = site.for_host(host.name)
given = switches(host.data.get)
needed_by = tuple(n for n in site.hosts if n != host.name and components(site.for_host(n))) if stack.of(Redis) else ()
report.install()

lock.take()
lock.take_site(keeper(site))  # before anything is looked at
in_parallel(consent(host.name, given.remove, needed_by), "Consent")
if not given.calls:
    marker = records.maintenance(site.paths.config)
    if stack.of(Livekit) and stack.of(Edge):
        others = stack.the(Edge).peer_endpoints
        alone = not others or given.alone
        in_parallel(maintenance.drain(stack.the(Livekit), marker, others, why="to be removed", alone=alone), "Drain")
    for role, each in components(stack).items():
        if role != "livekit":
            in_parallel(each.retire(), f"Drain {role}")
    for role, each in components(stack).items():
        if kept := each.kept():
            in_parallel(kept, f"What {role} keeps here")
in_parallel(
    removal(
        footprint(site, stack),
        host.name,
        components(stack).values(),
        drop_calls=given.calls,
    ),
    "Remove",
)
