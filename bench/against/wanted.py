"""What hosts are like after a deploy, as data for Ansible: ``python -m bench.against.wanted FILE INVENTORY deploy.py``.

It is what the deploy's own look at each host finds, and nothing that is meant.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from livekit_metal.runtime.host.state import HostState


def main() -> None:
    """Plan the deploy in this process and write what was seen to FILE."""
    file = Path(sys.argv[1])
    sys.argv[:] = ["pyinfra", "--dry", *sys.argv[2:]]
    cli: Any = import_module("pyinfra_cli.cli")
    handle = cli._handle_commands

    def and_tell(state: Any, *arguments: Any, **named: Any) -> Any:
        done = handle(state, *arguments, **named)
        file.write_text(json.dumps({host.name: as_data(_seen(host)) for host in state.inventory}))
        return done

    cli._handle_commands = and_tell
    import_module("pyinfra_cli.main").main()


def _seen(host: Any) -> HostState:
    found: HostState = host.connector_data["livekit_metal.observer"].current()
    return found


def as_data(seen: HostState) -> dict[str, Any]:
    """What a host has: its files, directories, packages, units that run, and units that may not start."""
    each = [
        {"path": path, "mode": f"0{mode}", "user": user, "group": group}
        for path, (mode, user, group) in sorted(seen.stat.items())
    ]
    # a link into /dev is a unit that may not start
    masked = [one["path"] for one in each if one["mode"] == "0777" and one["path"].startswith("/etc/systemd/system/")]
    return {
        "files": [one for one in each if one["path"] in seen.files],
        "masked": sorted(path.rpartition("/")[2] for path in masked),
        "directories": [one for one in each if one["path"] not in seen.files and one["path"] not in masked],
        "packages": sorted(seen.packages),
        "units": sorted(
            unit
            for unit, found in seen.units.items()
            if found.get("ActiveState") == "active" and found.get("UnitFileState") == "enabled"
        ),
    }


if __name__ == "__main__":
    main()
