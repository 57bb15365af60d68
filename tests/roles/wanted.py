"""A look at a host where services are up to date; tests change one thing of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from livekit_metal.runtime.host.service import Service
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.task import Plan


def as_wanted(*services: Service, probes: Mapping[str, Sequence[str]] | None = None) -> HostState:
    """Every file of the services in place, every unit enabled and running with its stamp."""
    files = [f for service in services for f in service.all_files]
    running = {"ActiveState": "active", "UnitFileState": "enabled", "Program": "/usr/bin/daemon"}
    return HostState(
        files={f.path: f.sha256 for f in files},
        stat={f.path: (f.mode, f.user, f.group) for f in files},
        units={service.unit: {**running, "Stamp": service.stamp} for service in services},
        answers={name: list(lines) for name, lines in (probes or {}).items()},
    )


def names(todo: Plan) -> list[str]:
    return [step.name for step in todo.actions]


def look(seen: HostState) -> str:
    """``seen`` as the host would answer the look's script, for runs on @fake."""
    lines = ["#files", *(f"{sha}  {path}" for path, sha in seen.files.items())]
    lines += ["#stat", *(f"{path} {' '.join(s)}" for path, s in seen.stat.items()), "#units"]
    for unit, properties in seen.units.items():
        lines += [f"Id={unit}", *(f"{k}={v}" for k, v in properties.items()), ""]
    for name, said in seen.answers.items():
        lines += [f"#probe {name}", *said]
    return "\n".join([*lines, "#end"])
