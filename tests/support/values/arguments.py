"""Every argument list of this machine while something goes on, from the kernel's audit: no process is too short for it.

Hosts of a lab share the kernel, so what runs on them is in it, and what the controller runs. auditd writes it down,
with a configuration and a rule of ours; both are gone afterwards.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_RULE = ("-a", "always,exit", "-F", "arch=b64", "-S", "execve", "-S", "execveat", "-k", "livekit-metal-tests")
_ARGUMENT = re.compile(r'a(?P<number>\d+)(?:\[\d+\])?=(?:"(?P<plain>[^"]*)"|(?P<hex>[0-9A-F]+))')
_SHORTEST = 6  # characters of a secret that is looked for: shorter ones stand in anything
_CONFIG = """local_events = yes
write_logs = yes
log_file = {log}
log_format = RAW
flush = NONE
max_log_file_action = IGNORE
space_left = 75
space_left_action = IGNORE
admin_space_left = 50
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
q_depth = 20000
"""


def missing() -> str:
    """What this machine lacks for it; '' when nothing."""
    if not (shutil.which("auditctl") and shutil.which("auditd")):
        return "auditd is not installed (make tools)"
    asked = subprocess.run(["auditctl", "-s"], capture_output=True, text=True, check=False)
    if asked.returncode:
        return f"the kernel's audit cannot be asked here: {(asked.stderr or asked.stdout).strip()}"
    return "" if _state("pid") == 0 else "another auditd runs on this machine"


@contextmanager
def recorded(directory: Path) -> Iterator[list[tuple[str, ...]]]:
    """Fills the list with every argument list, when it ends. Raises AssertionError if the kernel lost some."""
    log, found = directory / "audit.log", list[tuple[str, ...]]()
    (directory / "auditd.conf").write_text(_CONFIG.format(log=log))
    enabled = _state("enabled")
    with subprocess.Popen(["auditd", "-n", "-c", str(directory)], stderr=subprocess.DEVNULL) as auditd:
        try:
            _until(lambda: _state("pid") == auditd.pid, "auditd serves")
            _auditctl("--reset-lost")
            _auditctl("-b", "65536", *_RULE)
            yield found
            marker = f"/proc/self/{time.monotonic_ns()}"  # when this one is in, all before it are
            subprocess.run(["test", "-e", marker], check=False)
            _until(lambda: marker in log.read_text(errors="replace"), "the log is whole")
            assert _state("lost") == 0, "the kernel lost some of the records"
        finally:
            subprocess.run(["auditctl", "-d", *_RULE[1:]], check=False, capture_output=True)
            auditd.terminate()
    _auditctl("-e", str(enabled))
    found += parse(log.read_text(errors="replace"))


def parse(log: str) -> Iterator[tuple[str, ...]]:
    """The argument lists in audit's records; one that is long comes in pieces."""
    events: dict[str, dict[int, str]] = {}
    for line in log.splitlines():
        if line.startswith("type=EXECVE "):
            event = events.setdefault(line.split(" ")[1], {})
            for part in _ARGUMENT.finditer(line.partition("): ")[2]):
                text = part["plain"] if part["hex"] is None else bytes.fromhex(part["hex"]).decode(errors="replace")
                number = int(part["number"])
                event[number] = event.get(number, "") + text
    yield from (tuple(event[number] for number in sorted(event)) for event in events.values())


def showing(lists: Iterable[tuple[str, ...]], secrets: Iterable[str]) -> list[tuple[str, ...]]:
    """The lists that show a secret, as it is, in base64 or as part of a URL."""
    forms = {
        form
        for secret in secrets
        if len(secret) >= _SHORTEST
        for form in (secret, base64.b64encode(secret.encode()).decode(), urllib.parse.quote(secret, safe=""))
    }
    return [each for each in lists if any(form in argument for argument in each for form in forms)]


def _state(name: str) -> int:
    said = subprocess.run(["auditctl", "-s"], capture_output=True, text=True, check=True).stdout
    found = re.search(rf"^{name} (\d+)", said, re.MULTILINE)
    assert found, said
    return int(found[1])


def _auditctl(*words: str) -> None:
    subprocess.run(["auditctl", *words], check=True, capture_output=True)


def _until(test: Callable[[], bool], what: str, within: float = 20.0) -> None:
    end = time.monotonic() + within
    while not test():
        assert time.monotonic() < end, f"{what}: not within {within:.0f} s"
        time.sleep(0.1)
