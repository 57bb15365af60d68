"""The plan: prepare on all hosts in parallel (changes no traffic), then activate host by host.

No loop over roles: pyinfra orders operations by the lines they are written on.
"""

from pyinfra import host

from livekit_metal.core import records
from livekit_metal.core.switches import switches
from livekit_metal.roles.acme import tasks as acme
from livekit_metal.roles.base import tasks as base
from livekit_metal.roles.edge import tasks as edge
from livekit_metal.roles.egress import tasks as egress
from livekit_metal.roles.exporters import tasks as exporters
from livekit_metal.roles.firewall import tasks as firewall
from livekit_metal.roles.ingress import tasks as ingress
from livekit_metal.roles.kamailio import tasks as kamailio
from livekit_metal.roles.kernel import tasks as kernel
from livekit_metal.roles.livekit import tasks as livekit
from livekit_metal.roles.preflight import tasks as preflight
from livekit_metal.roles.prometheus import tasks as prometheus
from livekit_metal.roles.redis import tasks as redis
from livekit_metal.roles.sip import tasks as sip
from livekit_metal.roles.sip import telephony
from livekit_metal.runtime.run import lock, report
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.site import inventory

site = inventory.current()
given = switches(host.data.get)
stack = site.for_host(host.name, refresh=given.refresh)
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
one_by_one(
    "Foundation",
    kernel.activate(stack.kernel),
    redis.retire(stack.redis) if stack.redis else None,
    firewall.activate(stack.firewall, livekit.call_check(stack.livekit) if stack.livekit else None),
    redis.activate(stack.redis) if stack.redis else None,
    marker=maintenance,
)
one_by_one(
    "Services",
    acme.activate(stack.acme) if stack.acme and stack.acme.wanted else None,
    edge.activate(stack.edge, cut=given.edge) if stack.edge else None,
    acme.retire(stack.acme) if stack.acme and not stack.acme.wanted else None,
    livekit.activate(stack.livekit) if stack.livekit else None,
    egress.activate(stack.egress) if stack.egress else None,
    ingress.activate(stack.ingress) if stack.ingress else None,
    kamailio.activate(stack.kamailio) if stack.kamailio else None,
    sip.activate(stack.sip) if stack.sip else None,
    telephony.reconcile(stack.sip) if stack.sip and stack.sip.reconciles else None,
    exporters.activate(stack.exporters) if stack.exporters else None,
    prometheus.activate(stack.prometheus) if stack.prometheus else None,
    marker=maintenance,
)
# when every edge stands: the CA may ask any of them about the certificate of each
if stack.acme and stack.acme.wanted:
    one_by_one("Certificates", acme.obtain(stack.acme), marker=maintenance)
