"""The plan: prepare on all hosts in parallel (changes no traffic), then activate host by host.

No loop over roles: pyinfra orders operations by the lines they are written on.
"""

from pyinfra import host

from roles import (
    acme,
    base,
    edge,
    egress,
    exporters,
    firewall,
    ingress,
    kamailio,
    kernel,
    livekit,
    preflight,
    prometheus,
    redis,
    sip,
)
from roles._kit import lock, report
from roles._kit.turn import turn
from stack import inventory, records
from stack.switches import switches

site = inventory.current()
given = switches(host.data.get)
stack = site.on(host.name, refresh=given.refresh)
maintenance = records.maintenance(site.paths.config)  # a host in maintenance is prepared, not activated
report.install()

# prepare
lock.take()
preflight.prepare(stack.preflight, site.vault, older_secrets=given.secrets)
firewall.prepare(stack.firewall)
base.prepare(stack.base, site.vault)
if stack.acme:
    acme.prepare(stack.acme)
if stack.livekit:
    livekit.prepare(stack.livekit, accept=given.accept, accept_skip=given.version_skip)
if stack.egress:
    egress.prepare(stack.egress, accept=given.accept, accept_skip=given.version_skip)
if stack.ingress:
    ingress.prepare(stack.ingress, accept=given.accept, accept_skip=given.version_skip)
if stack.sip:
    sip.prepare(stack.sip, accept=given.accept, accept_skip=given.version_skip)

# activate: what everything stands on, then what serves; a failed host stops the rest
turn(
    "Ground",
    kernel.activate(stack.kernel),
    redis.retire(stack.redis) if stack.redis else None,
    firewall.activate(stack.firewall, livekit.proves(stack.livekit) if stack.livekit else None),
    redis.activate(stack.redis) if stack.redis else None,
    marker=maintenance,
)
turn(
    "Services",
    acme.activate(stack.acme) if stack.acme and stack.acme.wanted else None,
    edge.activate(stack.edge, cut=given.edge) if stack.edge else None,
    acme.retire(stack.acme) if stack.acme and not stack.acme.wanted else None,
    livekit.activate(stack.livekit) if stack.livekit else None,
    egress.activate(stack.egress) if stack.egress else None,
    ingress.activate(stack.ingress) if stack.ingress else None,
    kamailio.activate(stack.kamailio) if stack.kamailio else None,
    sip.activate(stack.sip) if stack.sip else None,
    sip.reconcile(stack.sip) if stack.sip and stack.sip.reconciles else None,
    exporters.activate(stack.exporters) if stack.exporters else None,
    prometheus.activate(stack.prometheus) if stack.prometheus else None,
    marker=maintenance,
)
# when every edge stands: the CA may ask any of them about the certificate of each
if stack.acme and stack.acme.wanted:
    turn("Certificates", acme.obtain(stack.acme), marker=maintenance)
