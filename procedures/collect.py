"""What a bug report needs, of all hosts, in one archive without secrets.

    pyinfra inventories/prod.py procedures/collect.py [--limit lk1] [--data since=2h] [--data to=FILE]

Status, the doctor's look, settings, our files, units, journals of ``since`` (a day), firewall, network, kernel. What is
secret is taken out here, on this machine, before anything is written: every value of the secrets file in whatever form,
and what has the shape of a token, a password or a key. Addresses and names of people stay: read it before you send it.
Changes nothing on hosts, takes no deploy lock, asks nothing. The exit status is 1 when a host could not be read.
"""

from functools import partial

from pyinfra import host
from pyinfra.api.exceptions import PyinfraError

from livekit_metal.collect import finish, gather
from livekit_metal.core.switches import switches
from livekit_metal.core.types.duration import Duration
from livekit_metal.runtime.run import read_only
from livekit_metal.site import inventory

site = inventory.current()
stack = site.for_host(host.name)
in_run = frozenset(each.name for each in host.state.inventory if host.state.is_host_in_limit(each))
try:
    since = Duration.parse(switches(host.data.get).since)
except ValueError as error:
    raise PyinfraError(f"--data since: {error}") from error
read_only.gather(
    gather.needs(site, stack, since), partial(gather.of, site, stack, since, in_run), partial(finish.conclude, site)
)
