"""``python -m bench.controller``: a table of what a first deploy's plan costs, for sites of 1 to 100 hosts."""

from __future__ import annotations

import statistics

from bench.controller.measure import dry

_SIZES = (1, 10, 30, 100)
_RUNS = 5
_LATENCY = 0.02  # s for a host's answer


def main() -> None:
    """Print it."""
    runs = {hosts: [dry(hosts, _LATENCY) for _ in range(_RUNS)] for hosts in _SIZES}
    said = f"hosts that answer after {_LATENCY * 1000:.0f} ms; median of {_RUNS} (least to most)"
    print(f"plan of a first deploy (--dry), {said}")
    print("  hosts   seconds of CPU              seconds                     memory, MB")
    for hosts, each in runs.items():
        columns = ([one.cpu for one in each], [one.seconds for one in each], [one.memory for one in each])
        print(f"  {hosts:5}   " + "   ".join(f"{_spread(values):25}" for values in columns).rstrip())


def _spread(values: list[float]) -> str:
    digits = 0 if min(values) >= 20 else 2
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
