"""What needs more than one host: on a smaller lab nothing here is collected (row agents3 has three)."""

from __future__ import annotations

from tests.support.hosts.lab import lab
from tests.support.power import power  # noqa: F401 - fixture

collect_ignore_glob = [] if len(lab().site.hosts) > 1 else ["test_*.py"]
