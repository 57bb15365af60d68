"""A livekit-sip on this machine that no deploy knows: what befalls its calls, the machine did."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from livekit import api

from livekit_metal.call.access import Access
from livekit_metal.call.server import server_api
from livekit_metal.roles.sip.settings import Settings as Sip
from tests.support.calls.control import STARTS, free_port, untouched_server
from tests.support.hosts.lab import Lab

NUMBER = "+15550100"
ROOM = "untouched"
_RTP = 100  # ports


@dataclass(frozen=True)
class Untouched:
    """Where to call, and where the call is heard."""

    access: Access
    target: str  # host:port
    number: str = NUMBER
    room: str = ROOM


@contextlib.contextmanager
def untouched_phones(lab: Lab, directory: Path) -> Iterator[Untouched]:
    """The same livekit-sip as on the lab's hosts, with a livekit-server and a Redis of its own, on the lab's gateway.

    It takes calls to :data:`NUMBER`, and ends with the block.
    """
    gateway = lab.facts["gateway"]
    with contextlib.ExitStack() as stack:
        # without a password: for programs of this machine alone, not for whoever reaches the lab's gateway
        redis = {"address": f"127.0.0.1:{(port := free_port('127.0.0.1'))}"}
        words = f"--bind 127.0.0.1 --port {port} --dir {directory} --save".split()
        stack.enter_context(_running(redis["address"], "redis-server", *words, ""))
        access = stack.enter_context(untouched_server(lab, redis=redis))
        target = f"{gateway}:{free_port(gateway)}"
        config = {
            "api_key": access.api_key,
            "api_secret": access.api_secret,
            "ws_url": access.url,
            "redis": redis,
            "listen_ip": gateway,
            "local_net": f"{gateway}/32",
            "sip_port": int(target.rpartition(":")[2]),
            "rtp_port": _free_range(gateway),
            "health_port": (health := free_port("")),
            "use_external_ip": False,
        }
        program = lab.site.of(Sip).file
        stack.enter_context(_running(f"127.0.0.1:{health}", program, "--config-body", json.dumps(config)))
        asyncio.run(_open(access))
        yield Untouched(access, target)


@contextlib.contextmanager
def _running(address: str, *command: str) -> Iterator[None]:
    """The program, once it answers at ``address``."""
    host, _, port = address.rpartition(":")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + STARTS
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection((host, int(port)), 2).close()
                    break
                assert process.poll() is None, f"the control's {command[0]} does not start"
                assert time.monotonic() < end, f"the control's {command[0]} does not answer"
                time.sleep(0.1)
            yield
        finally:
            process.kill()


def _free_range(address: str) -> str:
    """Ports for sound of which the kernel gives none away: below those for connections."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]) - _RTP
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind((address, first))
    return f"{first}-{first + _RTP - 1}"


async def _open(access: Access) -> None:
    """Let every caller in: a trunk, and a rule that leads to the room."""
    async with server_api(access) as made:
        trunk = await made.sip.create_inbound_trunk(
            api.CreateSIPInboundTrunkRequest(trunk=api.SIPInboundTrunkInfo(name="control", numbers=[NUMBER]))
        )
        await made.sip.create_dispatch_rule(
            api.CreateSIPDispatchRuleRequest(
                name="control",
                trunk_ids=[trunk.sip_trunk_id],
                rule=api.SIPDispatchRule(dispatch_rule_direct=api.SIPDispatchRuleDirect(room_name=ROOM)),
            )
        )
