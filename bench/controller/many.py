"""An inventory: the site of cluster.example.py with HOSTS hosts, none of which is there (see fresh_host.py)."""

import os
import runpy
from pathlib import Path

import livekit_metal
from bench.controller import fresh_host

_count = int(os.environ.get("HOSTS", "100"))
_at = Path(os.environ["BENCH"])  # a directory of this measurement's: secrets and a program that nobody starts
_example = Path(__file__).parents[2] / "inventories/cluster.example.py"

_load = livekit_metal.load
livekit_metal.load = lambda *_: []
try:
    site = runpy.run_path(str(_example))["site"]
finally:
    livekit_metal.load = _load

_first, _other, *_ = site["hosts"].values()
site["hosts"] = {
    f"lk{n}": (_first if n == 1 else _other)
    | {"address": f"203.0.113.{n}" if n < 250 else f"198.18.{n // 250}.{n % 250}"}
    | {"cluster": f"10.0.{n // 250}.{n % 250 + 1}"}
    for n in range(1, _count + 1)
}
site["livekit"] |= {"source": "file", "file": str(_at / "program"), "sha256": os.environ["BENCH_SHA256"]}

_made = _load(site, str(_at / "many.py"))
fresh_host.install(
    {name: (host["address"], host["cluster"]) for name, host in site["hosts"].items()},
    float(os.environ.get("LATENCY", "0")),
)
hosts: list[tuple[str, dict[str, str]]] = [(f"@fake/{name}", {}) for name, _ in _made]
