"""Deliver recordings whose upload failed: from the backup of each egress host to the store of the site.

    pyinfra inventories/prod.py procedures/reupload.py [--limit lk2]

A file leaves the host only when the store has it, checksum compared. One that the store has already and that differs
stays, and the run fails with its name. Recordings that a request had sent to a store of its own go to the site's, too.
"""

from pyinfra import host

from livekit_metal.roles.egress import tasks as egress
from livekit_metal.roles.egress.settings import Settings as Egress
from livekit_metal.runtime.run import lock, report
from livekit_metal.site import inventory

stack = inventory.current().for_host(host.name)
report.install()

lock.take()
if stack.of(Egress):
    egress.deliver(stack.the(Egress))
