"""What a lab has made, for inventories and tests: lab.json with absolute paths."""

from __future__ import annotations

import json
import os
from typing import Any

from lab.places import DEFAULT_NAME, Lab


def facts(name: str = "") -> dict[str, Any]:
    """lab.json of the lab ``name`` (default: the environment's LAB), and directory, key and known_hosts as paths.

    Ends the program when there is no such lab.
    """
    lab = Lab(name or os.environ.get("LAB") or DEFAULT_NAME)
    try:
        found: dict[str, Any] = json.loads((lab.dir / "lab.json").read_text())
    except OSError as error:
        raise SystemExit(f"lab: there is no lab {lab.name!r} here; run `make lab` ({error.strerror})") from error
    paths = {"directory": "", "key": "id_ed25519", "known_hosts": "known_hosts"}
    return {"login": "root"} | found | {what: str(lab.dir / file) for what, file in paths.items()}
