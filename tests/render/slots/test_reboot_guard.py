"""What bounds a reboot: read by systemd and the shell, and it stops before whoever must hear how something ended."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from livekit_metal.runtime.slots.components import components
from livekit_metal.runtime.slots.reboot_guard import UNIT, Guard
from livekit_metal.site.loading import every_role
from livekit_metal.site.model import Site
from tests.render.conftest import Verify
from tests.render.walked import everything

GUARD = Guard("/etc/livekit-metal")


def told(unit: str, key: str) -> set[str]:
    """The values of every line ``key=`` of a unit."""
    return {word for line in unit.splitlines() if line.startswith(f"{key}=") for word in line.split("=", 1)[1].split()}


def test_the_unit_is_sound_and_the_script_is_shell(verify_unit: Verify) -> None:
    script, unit = GUARD.files
    verify_unit(UNIT, unit.text)
    subprocess.run(["sh", "-n"], input=script.text, text=True, check=True)
    assert f"ExecStop=/bin/sh {script.path}" in unit.text


def test_who_must_hear_of_an_end_stops_after_it(any_site: Site) -> None:
    """systemd stops in the reverse of the order in which it starts."""
    (_, unit) = GUARD.files
    heard = {"livekit-redis.service", "livekit-edge.service", "livekit-kamailio.service"}
    assert heard <= told(unit.text, "After")
    server = components(any_site.for_host("lk1"))["livekit"].units[0].text
    assert UNIT in told(server, "Before")


def test_who_tells_is_never_ordered_after_who_hears(make_site: Callable[[dict[str, Any]], Site]) -> None:
    """Else a slot that drains for hours would keep Redis from starting again."""
    daemons = components(make_site(everything()).for_host("lk1"))
    reporting_units = [role.name for role in every_role() if role.slots and role.reports]
    assert len(reporting_units) >= 3
    for name in reporting_units:
        unit = daemons[name].units[0].text
        assert not {UNIT, "livekit-redis.service"} & (told(unit, "After") | told(unit, "Before")), name
        assert f"'livekit-{name}@*'" in GUARD.reporting_units
