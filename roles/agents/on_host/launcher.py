"""Runs the AgentServer of a fleet. On hosts; standard library, and the packages of the fleet itself.

    python3 -S launcher.py CONFIG [--check]

What livekit-agents takes in code only is set here: its ports on loopback, drain, retries, load. The contract, for a
worker that brings its own: GET / on 127.0.0.1:PORT is 200 while it is registered and takes jobs, GET /worker has
`active_jobs` and `rooms`, GET /metrics is Prometheus'; the first SIGTERM drains, and so does the file that $LKM_DRAINS
names, which stands there from before the SIGTERM until the process is gone.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import math
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livekit_metal.roles.agents.on_host import lkm_logs as logs
    from livekit_metal.roles.agents.on_host.again import Again
    from livekit_metal.roles.agents.on_host.told import Told, served
else:
    logs = importlib.import_module("lkm_logs")
    Again = importlib.import_module("again").Again
    _beside = importlib.import_module("told")
    Told, served = _beside.Told, _beside.served

FOREVER = 10**9  # attempts: an outage of LiveKit must not end a worker, whose jobs would end with it
STARTING = 60  # s for a process of jobs, at least: after upstream's ten a host that is busy makes one after the other
SHORT = 5  # s that jobs get at a stop that is no drain (a reboot), then their callbacks run
LOOK = 0.5  # s
AFTER = 10  # s from a drain's file to the stop at most: systemd starts again what ends before it
MOST = 0.99  # of load that is told


class Refused(Exception):
    """The fleet's code cannot be run; the text says why."""


def found(config: dict[str, Any]) -> Any:
    """The AgentServer of the entry point. Raises Refused."""
    version = ".".join(map(str, sys.version_info[:2]))
    if version != config["interpreter"]:
        raise Refused(f"this host has Python {version}, the fleet was built for {config['interpreter']}")
    try:
        agents = importlib.import_module("livekit.agents")  # of the fleet
    except Exception as error:
        raise Refused(f"livekit-agents cannot be imported: {_last(error)}") from error
    name = config["entrypoint"].removesuffix(".py").replace("/", ".")
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        raise Refused(f"{config['entrypoint']} cannot be imported: {_last(error)}") from error
    everything = vars(module)
    servers = {id(v): v for v in everything.values() if isinstance(v, agents.AgentServer)}
    named = (everything.get(each) for each in ("app", "server", "agent"))
    chosen = next((each for each in named if isinstance(each, agents.AgentServer)), None)
    if chosen is None and len(servers) == 1:
        (chosen,) = servers.values()
    if chosen is None:
        options = [v for v in everything.values() if isinstance(v, agents.WorkerOptions)]
        if len(options) != 1:
            what = f"{len(servers)} AgentServers, none called server" if servers else "no AgentServer"
            raise Refused(f"{config['entrypoint']} has {what} among its globals")
        chosen = agents.AgentServer.from_server_options(options[0])
    if getattr(chosen, "_entrypoint_fnc", True) is None:
        raise Refused(f"the AgentServer of {config['entrypoint']} has no rtc_session")
    return chosen


def _last(error: BaseException) -> str:
    """What went wrong, and where."""
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" ({Path(at.filename).name}:{at.lineno})" for at in where)
    return f"{type(error).__name__}: {error}{place}"


def unbound(config: dict[str, Any]) -> bool:
    """Whether the worker takes jobs at any load: a proof waits for nobody."""
    return bool(config["deployment"]) or config["load_threshold"] >= 1


def below_one(server: Any) -> None:
    """Have a server that runs never tell a load of 1: LiveKit gives such a worker no job, whatever its threshold is."""
    if (own := getattr(server, "_load_fnc", None)) is not None:
        words = (server,) if inspect.signature(own).parameters else ()
        server._load_fnc = lambda: min(own(*words), MOST)


def prepared(config: dict[str, Any]) -> Any:
    """The AgentServer, told what the site says."""
    os.environ |= {
        "LIVEKIT_URL": config["ws_url"],
        "LIVEKIT_API_KEY": config["api_key"],
        "LIVEKIT_API_SECRET": config["api_secret"],
        "LIVEKIT_AGENT_NAME_OVERRIDE": config["agent_name"],
        "LIVEKIT_AGENT_DEPLOYMENT": config["deployment"],
        **config["environment"],
    }
    server = found(config)
    server.update_options(
        ws_url=config["ws_url"],
        api_key=config["api_key"],
        api_secret=config["api_secret"],
        max_retry=FOREVER,
        drain_timeout=config["drain_timeout"],
        num_idle_processes=config["num_idle_processes"],
        load_threshold=math.inf if unbound(config) else config["load_threshold"],
    )
    # Of these there is no option; /worker of upstream's goes to a port that nobody knows.
    server._host, server._port, server._prometheus_port = "127.0.0.1", 0, None
    server._agent_name, server._deployment = config["agent_name"], config["deployment"]
    server._initialize_process_timeout = max(getattr(server, "_initialize_process_timeout", 0), STARTING)
    server._prometheus_multiproc_dir = os.environ.get("RUNTIME_DIRECTORY")
    return server


async def drain_begun(drains: Path) -> None:
    """Return when a drain has begun: the code of a fleet may have taken SIGTERM away from us."""
    while not drains.exists():
        await asyncio.sleep(LOOK)


async def work(server: Any, told: Told, config: dict[str, Any], drains: Path) -> int:
    """Until SIGTERM, which comes once, or a drain; a second one is not heard. The exit status."""
    log, loop, asked = logging.getLogger("livekit-metal"), asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)

    def started() -> None:
        told.watch()
        if unbound(config):
            below_one(server)

    server.on("worker_started", started)
    running = loop.create_task(server.run())
    waiting, seen = loop.create_task(asked.wait()), loop.create_task(drain_begun(drains))
    await asyncio.wait({running, waiting, seen}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        if (error := running.exception()) is not None:
            log.error("the worker failed", exc_info=error)
        return 1
    patience = config["drain_timeout"] if drains.exists() else SHORT
    log.info("told to end", extra={"jobs": told.worker()["active_jobs"], "patience": patience})
    began = time.monotonic()
    try:
        await server.drain(timeout=patience)
    except TimeoutError:
        log.warning("jobs are left at the deadline: they are ended", extra={"jobs": told.worker()["active_jobs"]})
    await server.aclose()
    if seen.done():
        await asyncio.wait({waiting}, timeout=began + AFTER - time.monotonic())
        if not asked.is_set():
            log.warning("no SIGTERM was heard: does the code of the fleet handle it?")
    log.info("ended", extra={"after": round(time.monotonic() - began)})
    return 0


def main(argv: list[str]) -> int:
    config = json.loads("".join(line for line in Path(argv[1]).read_text().splitlines(True) if line[:1] != "#"))
    logs.begin(config["log_level"].upper())
    try:
        server = prepared(config)
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if "--check" in argv:
        return 0
    again = Again(config, os.environ.get("RUNTIME_DIRECTORY"))
    again.read()
    told = Told(server, config, again)
    served(told, config["port"])
    return asyncio.run(work(server, told, config, Path(os.environ.get("LKM_DRAINS", "/nowhere"))))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
