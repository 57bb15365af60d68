"""Take everything that livekit-metal put on a host off it again.

    pyinfra inventories/prod.py procedures/remove_host.py --limit lk3 --data remove=lk3

The host is drained first: nobody new comes, and while people are on it the removal is refused; run the same again when
they have left (``--data calls=drop`` does not wait for them). Data of Redis and Prometheus on the host goes too.
Refused while the host carries the Redis of others. Kernel values stay raised until the next boot.
"""

from pyinfra import host

from roles import livekit
from roles._kit import lock, report
from roles._kit.removal import consent, removal
from roles._kit.stage import stage
from stack import inventory, records
from stack.traces import traces

site = inventory.current()
stack = site.on(host.name)
drop_calls = host.data.get("calls") == "drop"
needed_by = tuple(n for n in site.with_role("livekit") if n != host.name) if stack.redis else ()
slots = stack.livekit.slots if stack.livekit else ()
report.install()

lock.take()
stage(consent(host.name, host.data.get("remove") or "", needed_by), "Consent")
if stack.livekit and stack.edge and not drop_calls:
    marker = records.maintenance(site.paths.config)
    stage(livekit.drain(stack.livekit, marker, stack.edge.peer_endpoints, why="to be removed", alone=True), "Drain")
stage(
    removal(
        traces(site, stack),
        host.name,
        tuple(stack.livekit.part("metrics", slot).first for slot in slots) if stack.livekit else (),
        drop_calls=drop_calls,
    ),
    "Remove",
)
