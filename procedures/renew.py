"""Another certificate by ACME, with another key, whatever the age of the one there is (edge.tls 'acme').

    pyinfra inventories/prod.py procedures/renew.py [--limit lk2]

For a key that may be known to others, and to try that renewals work. Nobody who talks notices. The old one is not
revoked. Mind the CA's limits: Let's Encrypt gives five certificates a week for the same names.
"""

from pyinfra import host

from livekit_metal.roles.acme import tasks as acme
from livekit_metal.roles.acme.settings import Settings as Acme
from livekit_metal.runtime.run import lock, report
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.site import inventory

stack = inventory.current().for_host(host.name)
report.install()

lock.take()
if stack.of(Acme) and stack.the(Acme).wanted:
    one_by_one("Certificates", acme.renew(stack.the(Acme)))
