"""What the lab's Prometheus has returned since some time."""

from __future__ import annotations

import json
import math
import time
import urllib.parse
import urllib.request
from typing import Any

from tests.watch.queries import Query

STEP = 5  # s: the lab's interval


class Answers:
    """Of the server at ``base``, from ``since`` on. What has returned data once is not asked for again."""

    def __init__(self, base: str, since: float) -> None:
        self._base, self._since = base, since
        self._with: set[str] = set()

    def has(self, selector: str) -> bool:
        """Whether a series was there at any time."""
        return self._once(selector, "series", {"match[]": selector})

    def whole(self, expr: str) -> bool:
        """Whether it was a number at any time; a share of nothing is none."""
        return self._once(expr, "query_range", {"query": expr, "step": str(STEP)})

    def silent(self, query: Query) -> list[str]:
        """What of the query returns nothing: metrics that it names, or all of it."""
        missing = [name for selector, name in query.selectors.items() if not self.has(selector)]
        return missing or ([] if self.whole(query.expr) else [query.where])

    def _once(self, key: str, path: str, asked: dict[str, str]) -> bool:
        if key not in self._with and _numbers(self._get(path, asked)):
            self._with.add(key)
        return key in self._with

    def _get(self, path: str, asked: dict[str, str]) -> Any:
        words = urllib.parse.urlencode(asked | {"start": f"{self._since:.0f}", "end": f"{time.time():.0f}"})
        with urllib.request.urlopen(f"{self._base}/api/v1/{path}?{words}", timeout=60) as answer:
            return json.load(answer)["data"]


def _numbers(data: Any) -> bool:
    if isinstance(data, list):  # of series
        return bool(data)
    return any(math.isfinite(float(value)) for each in data["result"] for _, value in each["values"])
