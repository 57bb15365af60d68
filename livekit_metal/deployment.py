"""The plan: prepare on all hosts in parallel (changes no traffic), then activate host by host, or in waves.

No loop over turns: pyinfra orders operations by the lines they are written on.
"""

from __future__ import annotations

from functools import partial

from pyinfra.api.deploy import deploy
from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_host, ctx_state

from livekit_metal.core import records
from livekit_metal.core.errors import Problem
from livekit_metal.core.switches import switches
from livekit_metal.runtime.discovery import addresses
from livekit_metal.runtime.run import lock, report, waves
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.turns import Run
from livekit_metal.runtime.slots import components
from livekit_metal.site.model import Site


@deploy("livekit-metal")
def whole(site: Site | None = None) -> None:
    """Everything that ``site`` (the inventory's by default) says, on the host in context."""
    host = ctx_host.get()
    if ctx_state.get().config.FAIL_PERCENT != 0:
        remedy = "write `import livekit_metal; livekit_metal.configure()` into config.py beside deploy.py"
        raise PyinfraError(str(Problem("config.py", "does not stop a deploy at the first host that fails", remedy)))
    site = site or addresses.current()
    given = switches(host.data.get)
    run = Run(site, site.for_host(host.name, refresh=given.refresh), given)
    maintenance = records.maintenance(site.paths.config)  # a host in maintenance is prepared, not activated
    report.install()

    lock.take()
    run.prepare()
    rules = waves.Rules(site.rollout, components.alone(site))
    if not site.rollout.serial:
        waves.observe(components.needs(run.stack), partial(components.serving, run.stack))
    # what everything stands on, then what serves; a failed host stops the rest
    for_each = partial(one_by_one, marker=maintenance, rules=rules)
    for_each("Foundation", *run.tasks("foundation_first", "foundation"))
    for_each("Services", *run.tasks("services_first", "services", "services_last"))
    if certificates := run.tasks("certificates"):
        for_each("Certificates", *certificates)
