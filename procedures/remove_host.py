"""Take everything that livekit-metal put on a host off it again.

    pyinfra inventories/prod.py procedures/remove_host.py --limit lk3 --data remove=lk3

Data of Redis and Prometheus on the host goes too. Refused while people are on it (``--data calls=drop`` drops them) and
while it carries the Redis of other hosts. Kernel values stay raised until the next boot.
"""

from pyinfra import host

from roles._kit import lock, report
from roles._kit.removal import removal
from roles._kit.stage import stage
from stack import inventory
from stack.traces import traces

site = inventory.current()
stack = site.on(host.name)
report.install()

lock.take()
stage(
    removal(
        traces(site, stack),
        host.name,
        host.data.get("remove") or "",
        tuple(stack.livekit.part("metrics", slot).first for slot in stack.livekit.slots) if stack.livekit else (),
        drop_calls=host.data.get("calls") == "drop",
        needed_by=tuple(n for n in site.with_role("livekit") if n != host.name) if stack.redis else (),
    ),
    "Remove",
)
