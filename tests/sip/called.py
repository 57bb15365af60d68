"""A phone that is called: sipp as the carrier's side of one call that LiveKit makes."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from lab.run import wait_until

_SCENARIO = (Path(__file__).parent / "called.xml").read_text()


@dataclass
class Called:
    """It takes one call at ``local``:``port``, and hangs up after ``hold`` seconds unless the other side has.

    What it is sent as sound it sends back. ``prefix`` is where it runs (ip netns exec …).
    """

    directory: Path
    local: str
    port: int = 15998
    media: int = 26100
    hold: float = 60.0
    prefix: Sequence[str] = ()
    messages: Path = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        base = self.directory / f"called-{uuid4().hex[:8]}"
        scenario, self._said = base.with_suffix(".xml"), base.with_suffix(".log")
        self.messages = base.with_suffix(".messages")
        scenario.write_text(_SCENARIO.replace("[hold]", str(int(self.hold * 1000))))
        command = [
            *self.prefix, "sipp", "-sf", str(scenario), "-m", "1", "-i", self.local, "-p", str(self.port), "-mi",
            self.local, "-mp", str(self.media), "-rtp_echo", "-nostdin", "-trace_logs", "-log_file", str(self._said),
            "-trace_msg", "-message_file", str(self.messages),
        ]  # fmt: skip
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
        assert wait_until(self._listens, 20), "sipp does not listen"

    def _listens(self) -> bool:
        asked = [*self.prefix, "ss", "-Hlun", f"sport = :{self.port}"]
        return bool(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)

    def heard(self) -> list[str]:
        """How the call ended: "they hung up" or "hung up"."""
        said = self._said.read_text() if self._said.exists() else ""
        return [line for line in said.splitlines() if line]

    async def over(self, within: float = 60.0) -> int:
        """Wait for the end; sipp's exit status: 0 when the call went as a call should."""
        return await asyncio.to_thread(self._process.wait, within)

    def drop(self) -> None:
        """End sipp, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(5)
