"""What needs three hosts: on a smaller lab nothing here is collected (`make test` has a row of three)."""

from __future__ import annotations

from tests.support.hosts.lab import lab
from tests.support.power import power  # noqa: F401 - fixture

collect_ignore_glob = [] if len(lab().site.hosts) >= 3 else ["test_*.py"]
