"""The plan: prepare on all hosts in parallel (changes no traffic), then activate host by host.

No loop over turns: pyinfra orders operations by the lines they are written on.
"""

from pyinfra import host

from livekit_metal.core import records
from livekit_metal.core.switches import switches
from livekit_metal.runtime.run import lock, report
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.turns import Run
from livekit_metal.site import inventory

site = inventory.current()
given = switches(host.data.get)
run = Run(site, site.for_host(host.name, refresh=given.refresh), given)
maintenance = records.maintenance(site.paths.config)  # a host in maintenance is prepared, not activated
report.install()

lock.take()
run.prepare()
# what everything stands on, then what serves; a failed host stops the rest
one_by_one("Foundation", *run.tasks("foundation_first", "foundation"), marker=maintenance)
one_by_one("Services", *run.tasks("services_first", "services", "services_last"), marker=maintenance)
if certificates := run.tasks("certificates"):
    one_by_one("Certificates", *certificates, marker=maintenance)
