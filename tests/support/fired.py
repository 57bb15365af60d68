"""What a site's Prometheus has told of, of all alerts: for tests of what is no fault."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

from lab.run import wait_until
from livekit_metal.roles.prometheus.settings import Settings
from livekit_metal.site.model import Site
from tests.support.hosts.lab import over_ssh

ALWAYS = {"DeadMansSwitch"}
OF_OTHERS = {"CpuBusy", "KernelDropsPackets"}  # who share a machine with a lab
PAGES = 150.0  # s


def pages() -> None:
    """What was disturbed is told of by now: a page waits two minutes at most, by its rule."""
    since = time.monotonic()
    wait_until(lambda: time.monotonic() - since > PAGES, 2 * PAGES, every=1)


def fired_since(began: float, site: Site) -> set[str]:
    """What Prometheus itself has kept of what fired since then (s since 1970): it outlives a reboot."""
    (name, *_) = site.with_role("prometheus")
    own = site.for_host(name).of(Settings)
    assert own is not None
    query = f'count_over_time(ALERTS{{alertstate="firing"}}[{time.time() - began:.0f}s])'
    asked = "curl -fsS http://%s/api/v1/query?query=%s"
    said = json.loads(over_ssh(name).check_output(asked, own.listen, quote(query)))
    assert said["status"] == "success"
    return {each["metric"]["alertname"] for each in said["data"]["result"]}
