"""A real HAProxy whose TLS library is replaced, as an update does it: one reload, and no WebSocket is cut for it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from livekit_metal.roles.edge.settings import UNIT
from livekit_metal.runtime.host import old_code
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.slots import active_slot
from tests.render.edge.edge_rig import Edge, free_ports, websocket
from tests.render.edge.fake_slot import FakeSlot
from tests.render.edge.run_here import run_here


@pytest.fixture
def library(program: Callable[[str, str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The edge's own copy of libssl."""
    linked = subprocess.run(["ldd", program("haproxy", "haproxy")], capture_output=True, text=True, check=True).stdout
    (theirs,) = re.findall(r"=> (\S+/libssl\.so\S*)", linked)
    mine = tmp_path / "lib" / Path(theirs).name
    mine.parent.mkdir()
    shutil.copy(theirs, mine)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(mine.parent))
    return mine


def look(edge: Edge) -> HostState:
    """What a look says of the master and its workers, were they the unit's. Below /tmp nothing counts: here it does."""
    master = edge.process.pid
    workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    ours = " ".join(f"/proc/{pid}/cgroup:{UNIT}" for pid in (str(master), *workers))
    text = old_code.SCRIPT.replace(old_code.OURS, f"printf '%s\\n' {ours}").replace("tmp|var", "var")
    said = subprocess.run(["sh", "-s"], input=text, capture_output=True, text=True, check=True).stdout
    return HostState(units={UNIT: {"MainPID": str(master)}}, answers={"old-code": said.splitlines()})


def test_a_reload_is_enough(
    library: Path, program: Callable[[str, str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(active_slot, "run", run_here)
    slot = FakeSlot("a", free_ports(1)[0])
    slot.start()
    edge = Edge(program("haproxy", "haproxy"), tmp_path / "edge", {"a": slot}, 0)
    try:
        edge.until(lambda: edge.up("livekit_a", "local"))
        edge.flip("a")
        assert not old_code.of_any(look(edge), UNIT)
        with websocket(edge.http) as say:
            assert say("hi") == "a:hi"
            shutil.copy(library, library.with_suffix(".new"))
            library.with_suffix(".new").rename(library)
            old = old_code.found(look(edge))[UNIT]
            assert [one.main for one in old].count(True) == 1
            assert {one.files for one in old} == {(str(library),)}
            assert len(old) == 2, "the master, and the worker that has the WebSocket"
            edge.reload(description="second")
            edge.until(lambda: not old_code.of_main(look(edge), UNIT))
            (worker,) = old_code.found(look(edge))[UNIT]
            assert worker.pid in {one.pid for one in old}, "the new worker has the new library"
            assert say("still there") == "a:still there"
        edge.until(lambda: not old_code.of_any(look(edge), UNIT))
    finally:
        edge.stop()
        slot.stop()
