"""What needs two hosts: on another lab nothing here is collected (`make test-faults` has a row for it)."""

from __future__ import annotations

from tests.support.hosts.lab import lab

collect_ignore_glob = [] if len(lab().site.hosts) == 2 else ["test_*.py"]
