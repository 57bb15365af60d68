"""``python -m bench.idle``: what the parts of a deployed lab cost while nobody uses it, as shares of one core.

From the control groups of the units, so nothing else on the machine counts; what a slot drains or serves is in the same
row. INVENTORY and LAB name the lab, as ever.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections.abc import Sequence

from lab.state import facts
from livekit_metal.site import inventory

_INVENTORY = os.environ.get("INVENTORY", "inventories/lab.py")
_ASK = """
cd /sys/fs/cgroup/system.slice
read -r now _ < /proc/uptime
echo "$now time"
for d in . */; do
    sed -n "s,^usage_usec \\(.*\\),\\1 $d,p" "$d/cpu.stat"
done
"""
_OURS = ("livekit", "system-livekit")
_LEAST = 0.005  # % of a core that is worth a line


def _used(host: str) -> tuple[float, dict[str, int]]:
    """The host's time in seconds, and microseconds that each unit has computed until then."""
    ssh = ["ssh", "-F", f"{facts()['directory']}/ssh_config", f"root@{host}", _ASK]
    lines = subprocess.run(ssh, capture_output=True, text=True, check=True).stdout.splitlines()
    first, *units = (line.split(maxsplit=1) for line in lines)
    return float(first[0]), {unit.rstrip("/").encode().decode("unicode_escape"): int(used) for used, unit in units}


def shares(host: str, seconds: int) -> dict[str, float]:
    """Percent of one core that each unit of ``host`` takes within ``seconds``; '.': all of its units together."""
    began, before = _used(host)
    time.sleep(seconds)  # the length of what is measured
    ended, after = _used(host)
    passed = (ended - began) * 1e6
    return {unit: 100 * (used - before.get(unit, 0)) / passed for unit, used in after.items()}


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.idle")
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args(words)
    for host in inventory.read(_INVENTORY).hosts:
        found = shares(host, given.seconds)
        everything = found.pop(".")
        ours = {unit: share for unit, share in found.items() if unit.startswith(_OURS)}
        print(f"{host}: % of one core in {given.seconds} s")
        for unit, share in sorted(ours.items(), key=lambda each: -each[1]):
            if share >= _LEAST:
                print(f"  {unit.removeprefix('system-').removesuffix('.slice'):38}{share:6.2f}")
        print(f"  {'ours together':38}{sum(ours.values()):6.2f}")
        print(f"  {'the host':38}{everything:6.2f}", flush=True)


if __name__ == "__main__":
    main()
