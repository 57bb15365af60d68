"""``python -m bench``: how long a deploy takes that has nothing to do, against pyinfra's own floor.

The floor is what pyinfra needs to connect and run one command (`exec -- true`). Runs are interleaved, the median
counts; machines are noisy, so only the ratio means something. Exit status 1 when a deploy changed anything.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 7
TARGET = 1.3
_ROOT = Path(__file__).parents[1]
_PYINFRA = str(Path(sys.executable).parent / "pyinfra")
_INVENTORY = os.environ.get("INVENTORY", "inventories/lab.py")


def _run(*words: str) -> tuple[float, str]:
    began = time.perf_counter()
    environment = os.environ | {"PYINFRA_PROGRESS": "off"}
    done = subprocess.run(
        [_PYINFRA, "-y", *words], cwd=_ROOT, capture_output=True, text=True, env=environment, check=False
    )
    took = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed; is the lab deployed (make lab)?\n{done.stderr[-2000:]}")
    return took, done.stdout


def main() -> None:
    """Print the table."""
    times: dict[str, list[float]] = {"floor": [], "no-op": []}
    for _ in range(RUNS):
        times["floor"].append(_run(_INVENTORY, "exec", "--", "true")[0])
        took, out = _run("--json", _INVENTORY, "deploy.py")
        times["no-op"].append(took)
        if json.loads(out)["results"]["totals"]["success"]:
            sys.exit("the deploy changed something: deploy once more and look at what it says")
    floor, noop = (statistics.median(times[name]) for name in ("floor", "no-op"))
    print(f"median of {RUNS} interleaved runs, {_INVENTORY}")
    print(f"  pyinfra's floor (exec -- true)  {floor:6.3f} s")
    print(f"  deploy with nothing to do       {noop:6.3f} s")
    print(f"  ratio                           {noop / floor:6.2f}   (target: at most {TARGET})")


if __name__ == "__main__":
    main()
