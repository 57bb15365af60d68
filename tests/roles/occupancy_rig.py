"""A host of shell scripts for the occupancy probe: what systemd, the kernel and slots would answer."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path

from livekit_metal.roles.livekit import occupancy
from livekit_metal.roles.livekit.occupancy import Occupancy
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.host import state as looks
from livekit_metal.runtime.host.state import StateQuery

PORTS = "signal 7890 metrics 6789 debug 6060"
METRICS = """# HELP livekit_room_total
livekit_participant_join_total{{node_id="ND_1",state="rtc_active"}} 99
livekit_participant_total{{node_id="ND_1",node_type="SERVER"}} {participants}
livekit_room_duration_seconds_count{{node_id="ND_1"}} 98
livekit_room_total{{node_id="ND_1",node_type="SERVER"}} {rooms}
"""
HOSTILE = 'a "booked" room\n# \x1b[31m ü </b> \\'


def rooms(*names: str, joined: str = "call") -> str:
    """What /debug/rooms says: Go sorts keys, and escapes <, > and & too."""
    inside = {joined: {"ID": "PA_1", "Tracks": {"Name": '","Participants":{},"Sid":"', "Participants": {}}}}
    found = [{"CreatedAt": 1795262246, "Name": joined, "Participants": inside, "Sid": "RM_0"}]
    found += [{"CreatedAt": 1795262246, "Name": n, "Participants": {}, "Sid": "RM_1"} for n in names]
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")


class Rig:
    """A host of shell scripts: ``units`` by slot, what answers on which port, and processes with a stamp."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root, self.settings = root, settings
        self.bin, self.urls = root / "bin", root / "urls"
        self.bin.mkdir()
        self.urls.mkdir()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.blocks: list[str] = []
        self.program("curl", f'for u; do :; done; u=${{u#http://127.0.0.1:}}; cat "{self.urls}/$(echo $u | tr / _)"')
        self.program("ss", f'cat "{root}/sockets-$(echo "$4" | tr -dc 0-9)"')
        self.program("systemctl", f'[ "$TZ" = UTC ] && cat "{root}/units"')

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def slot(
        self, name: str, state: str, stamp: str = "", ports: str = "", *, left: str = "", timeout: str = "5h"
    ) -> None:
        pid = 0
        if stamp:
            process = subprocess.Popen(["sleep", "60"], env={"LKM_STAMP": stamp, "PATH": os.environ["PATH"]})
            self.processes.append(process)
            pid = process.pid
            of = Path(self.settings.config_root) / "livekit" / stamp.partition("~")[0]
            of.mkdir(parents=True, exist_ok=True)
            (of / "release").write_text(f"/opt/livekit/livekit-server/1.13.5-{stamp[:4]}\n")
            if ports:
                (of / "ports").write_text(f"# a record\nslots a b\nslot {name}0 signal 1\nslot {name} {ports}\n")
        self.blocks.append(  # in systemd's order, which is not that of the question
            f"TimeoutStopUSec={timeout}\nMainPID={pid}\nId=livekit-server@{name}.service\nActiveState={state}\n"
            f"ActiveExitTimestamp={left}\n"
        )
        (self.root / "units").write_text("\n".join(self.blocks))

    def answers(self, port: int, path: str, text: str) -> None:
        (self.urls / f"{port}_{path.replace('/', '_')}").write_text(text)

    def sockets(self, port: int, count: int) -> None:
        (self.root / f"sockets-{port}").write_text("0 0 127.0.0.1:7890 127.0.0.1:5\n" * count)

    def look(self, *, draining: bool = False, drop_ins: Path | None = None) -> dict[str, Occupancy]:
        """Through the look's own script, as a deploy would ask."""
        name, text = dataclasses.replace(occupancy.question(self.settings), draining=draining).probe
        text = text.replace("/run/systemd/system", str(drop_ins)) if drop_ins else text
        environment = os.environ | {"PATH": f"{self.bin}:{os.environ['PATH']}"}
        script = looks.script(StateQuery(queries=((name, text),)))
        said = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=True, env=environment)
        return occupancy.parse(looks.parse(said.stdout).answers[name], self.settings)
