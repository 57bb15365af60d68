"""All dashboards."""

from __future__ import annotations

import json

from livekit_metal.roles.prometheus.dashboards.board import Board
from livekit_metal.roles.prometheus.dashboards.calls import CALLS
from livekit_metal.roles.prometheus.dashboards.media import PHONES, RECORDINGS, STREAMS
from livekit_metal.roles.prometheus.dashboards.site import HOST, SITE
from livekit_metal.roles.prometheus.dashboards.work import AGENTS, DEPLOYS

BOARDS: tuple[Board, ...] = (SITE, HOST, CALLS, RECORDINGS, STREAMS, PHONES, AGENTS, DEPLOYS)


def files() -> dict[str, str]:
    """Name of a file -> its text: what Grafana's provisioning reads from a folder."""
    return {f"livekit-{board.name}.json": json.dumps(board.json, indent=1) + "\n" for board in BOARDS}
