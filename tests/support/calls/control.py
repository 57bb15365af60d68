"""A livekit-server on this machine that no deploy knows: what befalls its calls, the machine did."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator

from livekit_metal.call.access import Access
from livekit_metal.releases import catalogue
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.runtime.artifacts.fetch import fetch
from tests.support.hosts.lab import Lab

STARTS = 20.0  # s


def free_port(address: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody has."""
    with socket.socket(type=kind) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def untouched_server(lab: Lab, redis: dict[str, str] | None = None, **rtc: object) -> Iterator[Access]:
    """The same livekit-server as on the lab's hosts, on the lab's gateway; it ends with the block.

    ``redis``: its Redis, without which it is alone; ``rtc``: more options of its ``rtc``.
    """
    livekit, gateway = lab.site.of(Livekit), lab.facts["gateway"]
    asked = catalogue.find("livekit-server", livekit.release, livekit.source, path="livekit.release")
    program = fetch(asked, next(iter(lab.site.hosts.values())).arch, lock=lab.site.lock).path
    key, secret, port = "APIcontrol", secrets.token_urlsafe(32), free_port(gateway)
    media = {"tcp_port": free_port(gateway), "udp_port": free_port(gateway, socket.SOCK_DGRAM)}
    config = {
        "port": port,
        "bind_addresses": [gateway],
        "keys": {key: secret},
        "rtc": media | {"node_ip": gateway, "ips": {"includes": [f"{gateway}/32"]}} | rtc,
        "redis": redis or {},
    }
    with subprocess.Popen([program, "--config-body", json.dumps(config)], stderr=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + STARTS
            while True:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://{gateway}:{port}/", timeout=2).close()
                    break
                assert server.poll() is None, "the control's server does not start"
                assert time.monotonic() < end, "the control's server does not answer"
                time.sleep(0.1)
            yield Access(url=f"ws://{gateway}:{port}", api_key=key, api_secret=secret)
        finally:
            server.kill()
