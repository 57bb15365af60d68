"""What a worker says of itself over HTTP, on loopback: whether it is registered, its jobs, its metrics."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livekit_metal.roles.agents.on_host.again import Again


class Told:
    """What a worker says of itself, to whoever asks over HTTP."""

    def __init__(self, server: Any, config: dict[str, Any], again: Again) -> None:
        self._server, self._config, self._again = server, config, again
        self._jobs: dict[int, dict[str, Any]] = {}
        self.registered = 0
        self.taken = 0
        server.on("worker_registered", self._on_registered)

    def _on_registered(self, *_: Any) -> None:
        self.registered += 1
        self._again.ready()

    def watch(self) -> None:
        """Count jobs from now on: once the pool of processes is there."""
        if pool := getattr(self._server, "_proc_pool", None):
            pool.on("process_job_launched", self._on_launched)
            pool.on("process_closed", self._on_closed)

    def _on_launched(self, process: Any) -> None:
        self.taken += 1
        running = process.running_job
        job = running.job
        self._jobs[id(process)] = {
            "id": job.id,
            "room": job.room.name,
            "sid": job.room.sid,
            "type": int(job.type),
            "dispatch": job.dispatch_id,
            "metadata": job.metadata,
            "identity": running.accept_arguments.identity or f"agent-{job.id}",
        }
        self._again.began(self._jobs[id(process)])

    def _on_closed(self, process: Any) -> None:
        job = self._jobs.pop(id(process), None)
        status = None
        with contextlib.suppress(Exception):
            status = process.status.value
        if job is not None:
            self._again.ended(job, lost=status != "success")

    @property
    def serves(self) -> bool:
        """Whether LiveKit knows of it now, and it takes jobs."""
        away = self._server._connecting if hasattr(self._server, "_connecting") else False
        return self.registered > 0 and not away and not self._server.draining

    def worker(self) -> dict[str, Any]:
        jobs: list[Any] = []
        with contextlib.suppress(Exception):  # before it runs there is no pool
            jobs = [job.job.room.name for job in self._server.active_jobs]
        return {
            "agent_name": self._config["agent_name"],
            "deployment": self._config["deployment"],
            "registered": self.serves,
            "draining": bool(self._server.draining),
            "worker_id": self._server.id,
            "active_jobs": len(jobs),
            "rooms": jobs,
            "pending": getattr(self._server, "_reserved_slots", 0),
            "jobs_taken": self.taken,
            "jobs_lost": self._again.lost,
            "jobs_redispatched": self._again.dispatched,
        }

    def metrics(self) -> bytes:
        said = self.worker()
        own = (
            ("registered", "gauge", "1 while LiveKit knows of the worker and it takes jobs", int(said["registered"])),
            ("jobs", "gauge", "jobs that run", said["active_jobs"]),
            ("jobs_taken_total", "counter", "jobs that were begun", said["jobs_taken"]),
            ("jobs_lost_total", "counter", "jobs whose process ended before they did", said["jobs_lost"]),
            ("jobs_redispatched_total", "counter", "lost jobs that were dispatched again", self._again.dispatched),
            ("registrations_total", "counter", "times that LiveKit took the worker in", self.registered),
        )
        text = "".join(
            "# HELP livekit_agents_{0} {2}\n# TYPE livekit_agents_{0} {1}\nlivekit_agents_{0} {3}\n".format(*each)
            for each in own
        )
        return text.encode() + _upstream()


def _upstream() -> bytes:
    """What livekit-agents counts itself, here and in the processes of jobs: of each metric that which has samples."""
    client = importlib.import_module("prometheus_client")
    here = list(client.REGISTRY.collect())
    jobs: list[Any] = []
    if directory := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        with contextlib.suppress(Exception):  # a file may go while it is read
            merged = client.CollectorRegistry()
            importlib.import_module("prometheus_client.multiprocess").MultiProcessCollector(merged, path=directory)
            jobs = [each for each in merged.collect() if each.samples]
    known = {each.name for each in here if each.samples}
    families = [each for each in here if each.samples] + [each for each in jobs if each.name not in known]

    class Once:
        def collect(self) -> Any:
            return iter(families)

    registry = client.CollectorRegistry()
    registry.register(Once())
    text: bytes = client.generate_latest(registry)
    return text


def served(told: Told, port: int) -> ThreadingHTTPServer:
    """Answers on loopback from a thread of its own, however busy the worker is."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                self._say(200 if told.serves else 503, b"OK" if told.serves else b"not registered", "text/plain")
            elif self.path == "/worker":
                self._say(200, json.dumps(told.worker()).encode(), "application/json")
            elif self.path == "/metrics":
                self._say(200, told.metrics(), "text/plain; version=0.0.4")
            else:
                self._say(404, b"", "text/plain")

        def _say(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: it is asked every few seconds."""

    made = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=made.serve_forever, daemon=True, name="health").start()
    return made
