"""The programs that are compared: how each is run against the hosts of a site, and what it says that it changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab.state import facts

ROOT = Path(__file__).parents[2]
_BESIDE = ROOT / "bench/ansible"
FAR = "bench/against/far.py"
_CHANGED = re.compile(r"changed=(\d+).*unreachable=(\d+).*failed=(\d+)")


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where the hosts of the site are: name -> (address, port), and who logs in."""

    at: Mapping[str, tuple[str, int]]
    login: str
    key: str
    known_hosts: str
    inventory: str

    @classmethod
    def of_lab(cls, inventory: str) -> Self:
        """Those of the lab that LAB names."""
        lab = facts()
        at = {name: (str(each["address"]), 22) for name, each in lab["hosts"].items()}
        return cls(at, lab["login"], lab["key"], lab["known_hosts"], str(ROOT / inventory))

    def ssh(self, name: str) -> list[str]:
        """The words that run a command on a host as root."""
        address, port = self.at[name]
        words = ["ssh", "-F", "/dev/null", "-i", self.key, "-o", f"UserKnownHostsFile={self.known_hosts}"]
        return [*words, "-p", str(port), f"{self.login}@{address}", *([] if self.login == "root" else ["sudo"])]

    def environment(self, retention: int) -> dict[str, str]:
        return os.environ | {
            "AT": json.dumps(self.at),
            "INVENTORY": self.inventory,
            "KNOWN_HOSTS": self.known_hosts,
            "RETENTION": str(retention),
            "PYTHONPATH": str(ROOT),
            "PYINFRA_PROGRESS": "off",
        }


def run(words: Sequence[str], environment: Mapping[str, str], directory: Path = ROOT) -> tuple[float, str]:
    """Seconds, and what it said. Ends the program when it fails."""
    began = time.perf_counter()
    done = subprocess.run(words, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    return took, done.stdout


def ours(hosts: Hosts, retention: int) -> tuple[float, int]:
    """A deploy: seconds, and how many operations changed something."""
    pyinfra = str(Path(sys.executable).parent / "pyinfra")
    took, out = run([pyinfra, "-y", "--json", FAR, "deploy.py"], hosts.environment(retention))
    return took, json.loads(out)["results"]["totals"]["success"]


def environment() -> Path:
    """The directory of Ansible's programs, installed once into an environment of its own."""
    pins = _BESIDE / "requirements.txt"
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    made = base / "livekit-metal/bench" / hashlib.sha256(pins.read_bytes()).hexdigest()[:12]
    if not (made / "bin/ansible-playbook").exists():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(made)], check=True)
        words = [uv, "pip", "install", "--quiet", "--python", str(made / "bin/python"), "--requirement", str(pins)]
        subprocess.run(words, check=True)
    return made


def needs_python(hosts: Hosts) -> None:
    """Give the hosts what Ansible works with there."""
    for name in hosts.at:
        for words in (("update",), ("install", "-y", "python3", "python3-apt")):
            subprocess.run([*hosts.ssh(name), "apt-get", "-q", *words], capture_output=True, check=True)


def table(title: str, ways: Mapping[str, Sequence[float]]) -> None:
    """Print the runs of each way, and how many times ours it takes."""
    least = statistics.median(ways["livekit-metal"])
    print(f"  {title}")
    for way, took in ways.items():
        middle = statistics.median(took)
        print(f"    {way:14}{middle:7.2f}  ({min(took):.2f} to {max(took):.2f})   {middle / least:5.1f} x", flush=True)


def ansible(
    hosts: Hosts, has: Mapping[str, Mapping[str, object]], directory: Path, *, mitogen: bool
) -> tuple[float, int]:
    """The playbook: seconds, and how many tasks changed something. A connection is made again, as ours is."""
    made = environment()
    inventory = {"all": {"hosts": {name: _variables(hosts, name, each) for name, each in has.items()}}}
    file = directory / "inventory.json"
    file.write_text(json.dumps(inventory))
    sockets = directory / f"s{time.monotonic_ns()}"
    own = {"ANSIBLE_CONFIG": str(_BESIDE / "ansible.cfg"), "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets)}
    if mitogen:
        plugins = next(made.glob("lib/python*/site-packages/ansible_mitogen/plugins/strategy"))
        own |= {"ANSIBLE_STRATEGY_PLUGINS": str(plugins), "ANSIBLE_STRATEGY": "mitogen_linear"}
    words = [str(made / "bin/ansible-playbook"), "-i", str(file), str(_BESIDE / "site.yml")]
    took, out = run(words, os.environ | own | {"ANSIBLE_HOME": str(directory / "home")}, directory)
    found = [tuple(map(int, each)) for each in _CHANGED.findall(out)]
    if len(found) != len(has) or any(lost or failed for _, lost, failed in found):
        sys.exit(out[-2000:])
    return took, sum(changed for changed, _, _ in found)


def _variables(hosts: Hosts, name: str, has: Mapping[str, object]) -> dict[str, object]:
    address, port = hosts.at[name]
    return {
        "ansible_host": address,
        "ansible_port": port,
        "ansible_user": hosts.login,
        "ansible_become": hosts.login != "root",
        "ansible_ssh_private_key_file": hosts.key,
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={hosts.known_hosts}",
        "wanted": has,
    }
