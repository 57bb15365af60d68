"""Operators' own proxies (nginx, HAProxy, Caddy) with the recipes of docs/proxies, but for names of files and ports."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[3] / "docs/proxies"
SITE, TURN = "call.example.org", "turn.example.org"  # as the recipes have them
_MODULES = "include /etc/nginx/modules-enabled/*.conf;"


def _answers(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the proxy listens, and the ports between its own parts, on loopback."""

    address: str = "127.0.0.1"
    https: int
    http: int
    web: int
    turn: int


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What is behind the proxy: the edge's port for clients, and that for TURN, as address:port."""

    edge: str
    turn: str


def recipe(file: str, changes: Mapping[str, str]) -> str:
    """A recipe with ``changes``: each must be about something that is there."""
    text = (RECIPES / file).read_text()
    for old, new in changes.items():
        assert old in text, f"{file} has no {old!r}"
        text = text.replace(old, new)
    return text


class Proxy:
    """A proxy that runs with certificates ``pems`` (name -> file with certificate and key)."""

    def __init__(self, kind: str, directory: Path, ports: Ports, behind: Behind, pems: Mapping[str, Path]) -> None:
        self.kind, self.address, self.ports = kind, ports.address, ports
        self._directory, self._behind, self._pems = directory, behind, pems
        directory.mkdir(parents=True)
        self._running: list[subprocess.Popen[bytes]] = []
        {"nginx": self._nginx, "haproxy": self._haproxy, "caddy": self._caddy}[kind]()
        self._listens(ports.https)

    def _nginx(self) -> None:
        changes = self._nginx_changes() | {
            "127.0.0.1:7880": self._behind.edge,
            "listen 80;": f"listen {self.address}:{self.ports.http};",
            "listen [::]:80;": "",
            **self._paths(SITE),
        }
        self._run_nginx(recipe("nginx.conf", changes))

    def _nginx_changes(self) -> dict[str, str]:
        return {
            "listen 443;": f"listen {self.address}:{self.ports.https};",
            "listen [::]:443;": "",
            "127.0.0.1:8443": f"127.0.0.1:{self.ports.web}",
            "127.0.0.1:8444": f"127.0.0.1:{self.ports.turn}",
            "127.0.0.1:7872": self._behind.turn,
            **self._paths(TURN),
        }

    def _paths(self, name: str) -> dict[str, str]:
        at = f"/etc/letsencrypt/live/{name}"
        pem = str(self._pems[name])
        return {f"{at}/fullchain.pem": pem, f"{at}/privkey.pem": pem}

    def _run_nginx(self, text: str) -> None:
        config = self._directory / "nginx.conf"
        config.write_text(text)
        once = f"daemon off; pid {self._directory}/nginx.pid; error_log stderr;"
        self._run("nginx", "-c", str(config), "-g", once)

    def _haproxy(self) -> None:
        changes = {
            "bind :::443 v4v6": f"bind {self.address}:{self.ports.https}",
            "bind :::80 v4v6": f"bind {self.address}:{self.ports.http}",
            "abns@turn": f"abns@turn{self.ports.turn}",
            "abns@web": f"abns@web{self.ports.web}",
            "10.0.0.11:7872": self._behind.turn,
            "10.0.0.11:7880": self._behind.edge,
            **{f"/etc/haproxy/certs/{name}.pem": str(pem) for name, pem in self._pems.items()},
        }
        config = self._directory / "haproxy.cfg"
        config.write_text(recipe("haproxy.cfg", changes))
        self._run("haproxy", "-W", "-db", "-f", str(config))

    def _caddy(self) -> None:
        """With nginx's `stream` in front, as Debian's Caddy cannot pass TLS on by its name."""
        pem = self._pems[SITE]
        own = f"{{\n\tadmin off\n\tauto_https disable_redirects\n\thttps_port {self.ports.web}\n}}\n"
        text = recipe("Caddyfile", {"127.0.0.1:7880": self._behind.edge, f"{SITE} {{": f"{SITE} {{\n\ttls {pem} {pem}"})
        (self._directory / "Caddyfile").write_text(own + text)
        self._run("caddy", "run", "--adapter", "caddyfile", "--config", str(self._directory / "Caddyfile"))
        self._listens(self.ports.web, "127.0.0.1")
        head = (RECIPES / "nginx.conf").read_text().partition("stream {")[0]
        assert _MODULES in head
        self._run_nginx(head + recipe("caddy-turn.conf", self._nginx_changes()))

    def _run(self, program: str, *words: str) -> None:
        found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        if found is None:
            pytest.fail(f"{program} is not here: run `make tools`")
        home = {"HOME": str(self._directory), "XDG_DATA_HOME": str(self._directory), "PATH": "/usr/sbin:/usr/bin"}
        with (self._directory / "log").open("a") as log:
            self._running.append(subprocess.Popen([found, *words], stdout=log, stderr=log, env=home))

    def _listens(self, port: int, address: str = "") -> None:
        end = time.monotonic() + 10
        while not _answers(address or self.address, port):
            assert all(each.poll() is None for each in self._running), self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.05)

    @property
    def log(self) -> str:
        return (self._directory / "log").read_text()

    def stop(self) -> None:
        for each in self._running:
            each.terminate()
        for each in self._running:
            each.wait(10)
