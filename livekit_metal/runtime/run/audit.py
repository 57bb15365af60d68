"""Who changed what: a line on the host when a task begins to change it, and one when it ends.

"who" is what the controller says of itself; "login" is whom the host's sshd has let in, from where and by which key.
A run that was killed leaves the first without the second. No line holds a secret: names of steps, summaries and the
first line of an error are all that is in it, and these are on the operator's screen too.
"""

from __future__ import annotations

import json
from pathlib import Path

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.core.records import AUDIT
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.run import lock, lock_script
from livekit_metal.runtime.run.task import Plan, Task

_LONGEST = 300  # characters of what is done, and of how it ended: a line stays below 1 kB
_APPEND, _READERS = shell.program(__file__, "audit"), "adm"


class Entry:
    """One task's change of one host."""

    def __init__(self, host: Host, task: Task, plan: Plan) -> None:
        self.host, self.role = host, task.role
        self.what = plan.summary or ", ".join(step.name for step in plan.actions)

    def began(self) -> None:
        self._append("began", _READERS)

    def ended(self, result: str) -> None:
        """``result``: "done" or "failed: why"."""
        self._append(result, "")

    def _append(self, result: str, readers: str) -> None:
        line = {
            "who": "@".join(lock.operator()),
            "procedure": Path(self.host.state.current_deploy_filename or "").stem,
            "role": self.role,
            "what": self.what[:_LONGEST],
            "result": "".join(result.splitlines()[:1])[:_LONGEST],
        }
        try:
            words = (AUDIT, f"{lock_script.LOCK}.login", readers, json.dumps(line)[1:])
            run(self.host, _APPEND, *words, timeout=20)
        except Exception as error:  # a full disk, a broken connection: neither may keep anybody from mending it
            self.host.log_styled(f"audit: nothing was added to {AUDIT}: {error}", fg="yellow")
