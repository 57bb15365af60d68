"""The inventory of docs/setups/matrix.md, with HAProxy itself: LiveKit, lk-jwt-service and Synapse behind one edge."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from livekit_metal.runtime.slots import active_slot
from livekit_metal.site import inventory
from tests.render.edge.edge_rig import free_ports, get
from tests.render.edge.edges import edges
from tests.render.edge.fake_slot import FakeSlot
from tests.render.edge.run_here import run_here

PAGE = Path(__file__).parents[3] / "docs/setups/matrix.py"


def test_both_are_below_one_name(
    tmp_path: Path, program: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(active_slot, "run", run_here)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    site = inventory.read(Path(shutil.copy(PAGE, tmp_path))).edge
    running = {name: FakeSlot(name, port) for name, port in zip(("a", *site.backends), free_ports(3), strict=True)}
    for each in running.values():
        each.start()
    backends = {
        name: dataclasses.replace(backend, server=f"127.0.0.1:{running[name].port}")
        for name, backend in site.backends.items()
    }
    try:
        with edges(program("haproxy", "haproxy"), tmp_path, running["a"]) as make:
            edge = make(path_prefix=site.path_prefix, backends=backends)
            edge.until(lambda: all(edge.up(f"service_{name}", "service") for name in backends))

            def who(path: str, host: str = site.domain) -> str:
                status, body = get(edge.http, path, Host=host)
                return f"{status} {json.loads(body)['slot']} {json.loads(body)['path']}"

            assert who("/livekit/jwt/sfu/get") == "200 jwt /sfu/get"
            assert who("/livekit/jwt/healthz") == "200 jwt /healthz"
            assert who("/livekit/sfu/rtc") == "200 a /rtc"
            assert who("/livekit/sfu/") == "200 a /"
            assert who("/_matrix/client/versions", "matrix.example.org") == "200 synapse /_matrix/client/versions"
    finally:
        for each in running.values():
            each.stop()
