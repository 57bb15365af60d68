"""Who is told: a web server on the lab's bridge that keeps what Alertmanager posts; and what Alertmanager says."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from testinfra.host import Host

from lab.run import wait_until

PORT = 18099  # inventories/lab_alerts.py
LONGEST = 420  # s: a group that has been told of is told of again after group_interval, 5 minutes


@dataclass
class People:
    """``told``: (alert, "firing" or "resolved"), as it came. ``refuses``: "alerts" or "samples" get HTTP 400."""

    told: list[tuple[str, str]] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)

    def heard(self, name: str, state: str = "firing") -> bool:
        return (name, state) in self.told


@contextlib.contextmanager
def listening(address: str) -> Iterator[People]:
    """The receiver of the inventory."""
    people = People()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            what, said = (
                "samples" if self.path == "/write" else "alerts",
                self.rfile.read(int(self.headers["Content-Length"])),
            )
            refused = what in people.refuses
            if what == "alerts" and not refused:
                alerts: list[dict[str, Any]] = json.loads(said)["alerts"]
                people.told += [(alert["labels"]["alertname"], alert["status"]) for alert in alerts]
            self.send_response(400 if refused else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((address, PORT), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield people
        finally:
            server.shutdown()


def states(host: Host, listen: str) -> dict[str, str]:
    """What Alertmanager knows: alert -> active, or suppressed by another one."""
    said = json.loads(host.check_output("curl -fsS http://%s/api/v2/alerts", listen))
    return {alert["labels"]["alertname"]: alert["status"]["state"] for alert in said}


def until(what: Callable[[], bool], about: str, within: float = LONGEST) -> float:
    """Seconds until it is so."""
    began = time.monotonic()
    assert wait_until(what, within, every=1.0), f"not within {within} s: {about}"
    return time.monotonic() - began
