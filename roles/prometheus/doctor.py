"""Whether Prometheus gets what it asks for."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.roles.prometheus.settings import UNIT, Settings, Target
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.site.model import HostStack

# What Prometheus knows is as old as its last scrape: what is there now is asked from the same host, all at once.
_NOW = """for url in {urls}; do (
  echo "$url $(curl -gs -m 5 -o /dev/null -w '%{{http_code}} %{{errormsg}}' "$url")") & done; wait"""
# Errors of a scrape that got no page, as Go has them: a page that comes now disproves them, but not one about its text.
_NO_PAGE = re.compile(
    r'Get "|server returned HTTP status|(.*: )?(context deadline exceeded|(unexpected )?EOF|connection reset by peer)$'
)


def needs(prometheus: Settings) -> StateQuery:
    """What to look at on its host."""
    known = f"curl -sf -m 5 'http://{prometheus.listen}/api/v1/targets?state=active'; echo"
    now = _NOW.format(urls=shlex.join(map(_url, prometheus.targets)))
    return StateQuery(queries=(("doctor.targets", known), ("doctor.answers", now)))


def checks(stack: HostStack, settings: Settings, seen: HostState) -> Iterator[CheckResult]:
    """A row for each target whose metrics do not arrive, one when all do."""
    try:
        told: list[dict[str, Any]] = json.loads("".join(seen.answers["doctor.targets"]))["data"]["activeTargets"]
    except (ValueError, KeyError):
        fact, remedy = "Prometheus does not answer", f"journalctl -u {UNIT}; then deploy"
        yield failed("prometheus", stack.host, stack.host, fact, remedy)
        return
    known = {target["scrapeUrl"]: target for target in told}
    now = dict(line.split(" ", 1) for line in seen.answers["doctor.answers"])
    wanted = settings.targets
    judged = [_judged(stack, settings, each, known.get(_url(each), {}), now.get(_url(each), "")) for each in wanted]
    bad = [row for row in judged if row]
    yield from bad or [CheckResult(check="targets", vantage=stack.host, said=f"{len(wanted)} are up")]


def _url(target: Target) -> str:
    return f"http://{target.endpoint}{target.path}"


def _judged(
    stack: HostStack, settings: Settings, target: Target, known: Mapping[str, Any], now: str
) -> CheckResult | None:
    """None: good. ``known`` is what Prometheus says of the target, ``now`` what curl says: HTTP status, and error."""
    what, row = (
        f"{target.job} on {target.host}",
        partial(CheckResult, check="targets", about=target.host, vantage=stack.host),
    )
    if why := _lacking(known, now):
        remedy = f"see what listens on {target.endpoint}, and the firewall; deploy when Prometheus does not know of it"
        return row(result=Result.FAILED, said=f"no metrics of {what}: {why}", remedy=remedy)
    if known["health"] != "down":  # "unknown": Prometheus has not asked yet
        return None
    fact = f"Prometheus got no metrics of {what} when it last asked ({known['lastError']}), and they are there now"
    remedy = f"look again after {settings.interval} s; when it is still so, journalctl -u {UNIT}"
    return row(result=Result.NOTE, said=fact, remedy=remedy)


def _lacking(known: Mapping[str, Any], now: str) -> str:
    """Why metrics do not arrive; '' when they do."""
    if not known:
        return "Prometheus does not know of it"
    code, _, error = now.partition(" ")
    if code != "200":
        return error or f"HTTP {code or '000'}"
    last = str(known.get("lastError", "")) if known["health"] == "down" else ""
    return "" if _NO_PAGE.match(last) else last
