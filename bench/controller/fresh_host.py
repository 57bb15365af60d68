"""pyinfra's @fake connector as a fresh Debian 12: a look finds what preflight wants to see and nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import gevent
from pyinfra.connectors.fake import FakeConnector
from pyinfra.connectors.util import CommandOutput, OutputLine

_MARK = re.compile(r"set -- '?(#[0-9a-f]+ )")
_FOUND = {
    "preflight.os": ["debian 12"],
    "preflight.kernel": ["6.1.0-18-amd64", "x86_64"],
    "preflight.init": ["systemd", "252"],
    "preflight.cores": ["4"],
    "preflight.memory": ["8000000"],
    "preflight.space": ["50000 /etc", "50000 /opt", "50000 /var"],
    "preflight.lasting": ["32768 60999"],
    "preflight.tunnels": ["links []"],
    "preflight.interfaces": ["lo", "eth0", "default eth0"],
}


def install(addresses: Mapping[str, tuple[str, ...]], latency: float = 0.0) -> None:
    """Have every @fake host of this program answer so, ``latency`` seconds later; hosts are named without "@fake/"."""

    def names(name: str | None = None) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        yield str(name), {}, []

    def answer(self: Any, command: Any, **arguments: Any) -> tuple[bool, CommandOutput]:
        if latency:
            gevent.sleep(latency)
        said = "".join(map(str.__str__, arguments.get("_stdin") or [])) if "sh -s" in command.get_raw_value() else ""
        lines = _look(self.host, said, addresses[self.host.name]) if said else ()
        return True, CommandOutput([OutputLine("stdout", line) for line in lines])

    connector: Any = FakeConnector
    connector.make_names_data, connector.run_shell_command = staticmethod(names), answer


def _look(host: Any, script: str, addresses: tuple[str, ...]) -> Iterator[str]:
    marked = _MARK.match(script)
    mark = marked[1] if marked else ""
    found = _FOUND | {"preflight.clock": [f"{time.time():.3f}"], "preflight.addresses": ["127.0.0.1", *addresses]}
    found["preflight.links"] = [f"eth{number} {address}" for number, address in enumerate(addresses)]
    for name, _ in host.connector_data["livekit_metal.observer"].needs.queries:
        yield f"{mark}probe {name}"
        yield from found.get(name, ())
    yield f"{mark}end"
