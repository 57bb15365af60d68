"""How every host is: slots and who is on them, the deploy lock, maintenance, rejected generations, the last changes.

    pyinfra inventories/prod.py procedures/status.py [--data json=yes]

Changes nothing, takes no deploy lock, asks nothing. The exit status is 1 when a host could not be read.
"""

from functools import partial

from pyinfra import host

from procedures import overview
from roles._kit import reading
from stack import inventory

site = inventory.current()
stack = site.on(host.name)

reading.read(overview.needs(site, stack), partial(overview.of, stack))
