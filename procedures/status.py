"""How every host is: slots and who is on them, the deploy lock, maintenance, rejected generations, the last changes.

    pyinfra inventories/prod.py procedures/status.py [--data json=yes | --data html=FILE] [--data watch=yes]

``html`` writes one page that needs nothing else; ``watch`` looks again every few seconds until it is interrupted.
Changes nothing, takes no deploy lock, asks nothing. The exit status is 1 when a host could not be read.
"""

from functools import partial

from pyinfra import host

from livekit_metal.runtime.run import read_only
from livekit_metal.site import inventory
from livekit_metal.status import facts, output

site = inventory.current()
stack = site.for_host(host.name)

read_only.gather(facts.needs(site, stack), partial(facts.of, stack), output.conclude)
