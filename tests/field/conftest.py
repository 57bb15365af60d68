"""A host that does more, before anything of ours is on it: nginx, WireGuard (wireguard-go), a bridge with a container.

nginx has a site of its own and what docs/proxies/nginx.conf has for LiveKit. The operator is in the network namespace
``outside`` and comes by the tunnel alone: 10.99.0.1 is the host's end of it. The host is looked at through its
namespaces (nsenter), which no rule can close.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import state, verbs
from lab.places import Lab as LabPlace
from lab.run import wait_until
from tests.field.web import THEIRS, set_up
from tests.support.hosts.deploys import PYINFRA, Told, variant
from tests.support.hosts.lab import INVENTORY, ROOT
from tests.support.hosts.outside import names_lead
from tests.support.programs.proxies import SITE, TURN

TUNNEL, NEAR, FAR = "10.99.0.0/24", "10.99.0.2", "10.99.0.1"
HTTPS = 443
WEB = (80, HTTPS, 8443)
# A container by hand: a namespace behind a bridge. What listens on the bridge is for containers alone.
SET_UP = r"""set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update; apt-get -q -y --no-install-recommends install nginx libnginx-mod-stream \
  wireguard-go wireguard-tools
umask 077; wg genkey >/run/wg.key
systemd-run -q --unit=tunnel -p Type=exec wireguard-go -f wg0
for i in 1 2 3 4 5 6 7 8 9; do [ ! -e /sys/class/net/wg0 ] || break; sleep 0.2; done
wg set wg0 listen-port 51820 private-key /run/wg.key peer @PEER@ allowed-ips @NEAR@/32
ip addr add @FAR@/24 dev wg0; ip link set wg0 up
ip link add br-field type bridge; ip addr add 10.77.0.1/24 dev br-field; ip link set br-field up
ip netns add box; ip link add veth-box type veth peer name eth0 netns box
ip link set veth-box master br-field up
ip -n box addr add 10.77.0.2/24 dev eth0; ip -n box link set eth0 up
systemd-run -q --unit=resolver python3 -c 'import socket, signal
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(("10.77.0.1", 53)); t = socket.create_server(("10.77.0.1", 5353))
o = socket.socket(type=socket.SOCK_DGRAM); o.bind(("", 7777)); signal.pause()'
"""


@dataclass
class Field:
    """The host, and the operator's end of the tunnel."""

    name: str
    host: str
    address: str
    outside: str
    directory: Path
    tunnel: subprocess.Popen[bytes] | None = None

    @property
    def device(self) -> str:
        """The operator's end: named by the lab, as the sockets of such devices share a directory."""
        return f"wg-{self.name}"

    def on_host(self, script: str, *, check: bool = True) -> str:
        """Output of a shell script there."""
        pid = verbs.machine(LabPlace(self.name), self.host).pid
        command = ["nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "sh", "-c", script]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def within(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in the operator's network."""
        command = ["ip", "netns", "exec", self.outside, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    def come(self) -> None:
        """A new tunnel from the operator's side, from another port: nothing on the host knows of it."""
        self.leave()
        key = self.directory / "tunnel.key"
        theirs = self.on_host("wg pubkey </run/wg.key")
        # gone with whoever runs the tests: its socket in /run would be in the way of the next one's
        ends = ["setpriv", "--pdeathsig", "TERM"]
        command = [*ends, "ip", "netns", "exec", self.outside, "wireguard-go", "-f", self.device]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.tunnel = subprocess.Popen(command, **quiet)
        peer = f"peer {theirs} endpoint {self.address}:51820 allowed-ips {FAR}/32"
        up = f"""wg set {self.device} private-key {key} {peer} &&
        ip addr add {NEAR}/24 dev {self.device} && ip link set {self.device} up"""
        assert wait_until(lambda: self.within("ip", "link", "show", self.device).returncode == 0, 5)
        done = self.within("sh", "-c", up)
        assert done.returncode == 0, done.stderr

    def leave(self) -> None:
        if self.tunnel:
            self.tunnel.terminate()
            self.tunnel.wait(10)
            assert wait_until(lambda: self.within("ip", "link", "show", self.device).returncode != 0, 5)

    def logs_in(self) -> bool:
        """Over a connection of its own, through the tunnel."""
        words = ["-F", str(self.directory / "tunnel.config"), "-o", "ConnectTimeout=3", self.address, "true"]
        return self.within("ssh", "-o", "ControlPath=none", *words).returncode == 0

    @property
    def ca_file(self) -> Path:
        """The CA that nginx's certificates are from, where inventories/lab_field.py has it."""
        return self.directory / "nginx-ca.pem"

    def get(self, port: int, address: str = "", within: str = "") -> str:
        """What the web server's own site says to a stranger, or to the container; '' when nothing comes."""
        at = f"--cacert {self.ca_file} https" if port == HTTPS else "http"
        ask = f"curl -s -m 3 --resolve {THEIRS}:{port}:{address or self.address} {at}://{THEIRS}:{port}/"
        if within:
            return self.on_host(f"ip netns exec {within} {ask}", check=False)
        return self.within("sh", "-c", ask).stdout.strip()

    def deploy(self, inventory: str | Path, *words: str, plan: str = "deploy.py") -> Told:
        environment = os.environ | {"PYINFRA_PROGRESS": "off", "PYTHONUNBUFFERED": "1"}
        command = ["ip", "netns", "exec", self.outside, str(PYINFRA), "-y", str(inventory), plan, *words]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return Told(done.returncode, done.stdout + done.stderr)


@pytest.fixture(scope="session")
def field() -> Iterator[Field]:
    """The host of the lab, with all that it does, and nothing of ours."""
    facts = state.facts()
    host, at = next(iter(facts["hosts"].items()))
    directory = Path(facts["directory"])
    made = Field(facts["name"], host, at["address"], facts["outside"]["namespace"], directory)
    key = directory / "tunnel.key"
    if not key.exists():
        secret = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
        key.touch(0o600)
        key.write_text(secret)
        public = subprocess.run(["wg", "pubkey"], input=secret, capture_output=True, text=True, check=True).stdout
        script = SET_UP
        for word, value in {"PEER": public.strip(), "NEAR": NEAR, "FAR": FAR}.items():
            script = script.replace(f"@{word}@", value)
        made.on_host(script + set_up(made.ca_file))
    known = (directory / "known_hosts").read_text().split(" ", 1)[1]
    (directory / "tunnel.known").write_text(f"{FAR},{made.address} {known}")
    (directory / "tunnel.config").write_text(
        f"Host {made.address}\n  HostName {FAR}\n  User root\n  IdentityFile {facts['key']}\n"
        f"  UserKnownHostsFile {directory}/tunnel.known\n"
    )
    made.come()
    try:
        with names_lead(made.outside, dict.fromkeys(("localhost.lab", SITE, TURN), made.address)):
            yield made
    finally:
        made.leave()


Inventory = Callable[..., Path]


@pytest.fixture
def inventory(field: Field, tmp_path: Path) -> Inventory:
    """An inventory whose operator comes by the tunnel; ``firewall`` is all that it says of that, but for the admin.

    More ``changes`` of the site may follow.
    """

    def make(firewall: Mapping[str, Any], **changes: Any) -> Path:
        ssh = {"config": f"{field.directory}/tunnel.config", "known_hosts": f"{field.directory}/tunnel.known"}
        nothing = {"open": [], "closed": [], "trusted": [], "admin": [TUNNEL], "confirm": 20}
        own = {"hosts": {field.host: {"ssh": ssh}}, "firewall": nothing | dict(firewall)}
        return variant(tmp_path, own | changes)

    return make


def pytest_report_header() -> str:
    return f"site: {INVENTORY}, with {sys.executable}"
