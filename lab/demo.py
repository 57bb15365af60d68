"""``python -m lab demo``: hosts, a deploy of inventories/lab.py, access.json, and a real call through it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

from lab import verbs
from lab.places import CHECKOUT, DEFAULT_NAME, Lab
from lab.run import LabError
from lab.vm.places import environment
from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError
from livekit_metal.roles.agents import settings as agents
from livekit_metal.site import inventory
from livekit_metal.site.model import Site

DEFAULT_INVENTORY = "inventories/lab.py"
_BIN = Path(sys.executable).parent


def demo(
    lab: Lab,
    hosts: int | None,
    release: str | None,
    inventory_file: str = DEFAULT_INVENTORY,
    *,
    hardened: bool = False,
    vm: bool = False,
    arch: str | None = None,
) -> None:
    """From nothing to a live call. Raises LabError when the deploy or the call fails."""
    verbs.up(lab, hosts, release, hardened=hardened, vm=vm, arch=arch)
    if vm:
        os.environ.update(environment(lab))  # what inventories/vagrant.py reads
    deploy(lab, inventory_file)
    site = inventory.read(CHECKOUT / inventory_file)
    access = write_access(lab, site)
    names = list(site.hosts)
    call = [str(_BIN / "python"), "-m", "livekit_metal.call", "--access", str(access)]
    if len(names) > 1:
        call += ["--publish-through", names[0], "--subscribe-through", names[-1]]
    shell = _for(lab, f"make lab-ssh HOST={names[0]}")
    _call(shell, call, "the call through the deployed hosts failed")
    fleets = site.of(agents.Settings).daemons if site.with_role("agents") else ()
    for each in fleets:
        print(f"\n{each.component}: a conversation with {each.answers_to}, which repeats what it hears", flush=True)
        _call(shell, [*call[:5], "--agent", each.answers_to], f"the conversation with {each.answers_to} failed")
    _next(lab, site, access, inventory_file)


def _call(shell: str, command: list[str], failed: str) -> None:
    # The SDK would send even traffic to the lab through a proxy of the environment.
    direct = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    if subprocess.run(command, cwd=CHECKOUT, env=direct, check=False).returncode:
        raise LabError("lab", failed, f"look at it with: {shell}")


def deploy(lab: Lab, inventory_file: str) -> None:
    """What an operator runs. Raises LabError when it fails."""
    command = [str(_BIN / "pyinfra"), "-y", inventory_file, "deploy.py"]
    environment = os.environ | {"LAB": lab.name, "PYINFRA_PROGRESS": "off"}
    if subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode:
        raise LabError("lab", "the deploy failed (its own words are above)", "mend it and run the same command again")


def write_access(lab: Lab, site: Site) -> Path:
    """access.json: how a client gets in. 0600 from birth; it holds the API secret."""
    try:
        content = asdict(access_of(site))
    except CallError as error:
        raise LabError("lab", error.problem.fact, "run `make lab-down`, then `make lab`") from error
    path, new = lab.dir / "access.json", lab.dir / "access.json.new"
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    new.replace(path)
    return path


def access_of(site: Site) -> Access:
    """How a client on this machine gets in: by address, as no DNS knows the names of a lab."""
    access = Access.of(site)
    return replace(access, url=access.through(site.with_role("livekit")[0]))


def _for(lab: Lab, command: str, inventory_file: str = DEFAULT_INVENTORY) -> str:
    """``command`` for this lab and what is deployed on it, to be pasted into any shell."""
    which = "" if lab.name == DEFAULT_NAME else f"LAB={lab.name} "
    what = "" if inventory_file == DEFAULT_INVENTORY else f" INVENTORY={inventory_file}"
    return f"{which}{command}{what}"


def _next(lab: Lab, site: Site, access: Path, inventory_file: str) -> None:
    first = next(iter(site.hosts))
    url = json.loads(access.read_text())["url"]
    hints = {
        _for(lab, f"make lab-ssh HOST={first}"): f"a shell on {first}",
        _for(lab, "make deploy", inventory_file): "deploy again: changes nothing",
        f".venv/bin/python -m livekit_metal.call --access {access.relative_to(CHECKOUT)}": "another call",
        "make test": "prove everything",
        _for(lab, "make lab-down"): "remove every trace",
    }
    width = max(map(len, hints))
    print(f"\nLiveKit answers at {url}\nAPI key and secret: {access.relative_to(CHECKOUT)}\nnext:")
    print("\n".join(f"  {command:{width}}  {what}" for command, what in hints.items()))
