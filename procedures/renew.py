"""Another certificate by ACME, with another key, whatever the age of the one there is (edge.tls 'acme').

    pyinfra inventories/prod.py procedures/renew.py [--limit lk2]

For a key that may be known to others, and to try that renewals work. Nobody who talks notices. The old one is not
revoked. Mind the CA's limits: Let's Encrypt gives five certificates a week for the same names.
"""

from pyinfra import host

from roles import acme
from roles._kit import lock, report
from roles._kit.turn import turn
from stack import inventory

stack = inventory.current().on(host.name)
report.install()

lock.take()
if stack.acme and stack.acme.wanted:
    turn("Certificates", acme.renew(stack.acme))
