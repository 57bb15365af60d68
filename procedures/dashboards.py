"""Dashboards for a Grafana of your own: ``python -m procedures.dashboards FOLDER`` writes them there, as JSON.

Grafana 10 or newer reads them from the folder (provisioning), or by hand (Dashboards, Import). They ask for a data
source of the kind Prometheus, and name none. Files of the same names are replaced.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from livekit_metal.core import atomic_file
from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.roles.prometheus.dashboards.every import files


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 when all are written."""
    # in a wheel there is no module `procedures`
    parser = argparse.ArgumentParser(prog="livekit-metal dashboards", description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    folder = parser.parse_args(argv).folder
    try:
        if not folder.is_dir():
            raise SiteError([Problem(str(folder), "is no folder", f"make it: mkdir -p {folder}")])
        for name, text in files().items():
            path = folder / name
            atomic_file.replace(path, text.encode(), was=atomic_file.read(path), mode=0o644)
    except SiteError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"wrote {len(files())} dashboards to {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
