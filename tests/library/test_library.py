"""The wheel alone, in an environment and a repository elsewhere, deploys a host; then this checkout has nothing to do.

For a lab that nothing was deployed on yet (`python -m lab up`): row one of tests/run.py begins with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import state
from tests.support.artifacts.package import build
from tests.support.hosts.deploys import outcome
from tests.support.hosts.lab import INVENTORY, ROOT

LAB = state.facts()
SITE = "inventories/lab.py"  # in the repository that is made

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bin/ of an environment with the wheel and what it declares; nothing of the checkout can be imported there."""
    place = tmp_path_factory.mktemp("elsewhere")
    wheel, _ = build(place / "package")
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    programs = place / "venv/bin"
    subprocess.run([programs / "pip", "install", "--quiet", wheel], check=True, cwd=place)
    return programs


@pytest.fixture(scope="module")
def run(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run one of the environment's programs in the repository."""
    home = tmp_path_factory.mktemp("work")
    # the checkout's programs come last: where the machine has no Go, it is there
    path = os.pathsep.join([str(installed), os.environ["PATH"], str(Path(sys.executable).parent)])
    ours = ("_proxy", "pythonpath", "virtual_env")  # the SDK would send even traffic to the lab through a proxy
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith(ours)}
    environment |= {"PATH": path, "PYINFRA_PROGRESS": "off"}

    def run(program: str, *words: str | Path, at: str = "site") -> subprocess.CompletedProcess[str]:
        command = [installed / program, *words]
        return subprocess.run(command, cwd=home / at, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def repository(run: Run) -> None:
    """What `livekit-metal init` makes: the site of inventories/lab.py, in words."""
    hosts = [f"--host={name}={at['address']}" for name, at in LAB["hosts"].items()]
    login = [f"--ssh-user={LAB['login']}", f"--ssh-key={LAB['key']}", f"--ssh-known-hosts={LAB['known_hosts']}"]
    settings = {
        "secrets": f"{LAB['directory']}/lab.secrets",
        "secrets_key": f"{LAB['directory']}/lab.key",
        "livekit.release": "1.13.5",
        "livekit.source": "module",
        "livekit.media_udp": "50000-50299",
    }
    given = [f"--set={path}={value}" for path, value in settings.items()]
    words = [*hosts, f"--admin={LAB['gateway']}/32", "--name=lab", *login, "--ssh-config=/dev/null", *given]
    done = run("livekit-metal", "init", "site", *words, at=".")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("next: cd site && pyinfra inventories/lab.py deploy.py\n"), done.stdout


pytestmark = pytest.mark.usefixtures("repository")


def test_it_is_the_wheel_that_deploys(run: Run, installed: Path) -> None:
    found = run("python", "-c", "import livekit_metal.roles; print(livekit_metal.roles.__file__)").stdout
    assert found.startswith(str(installed.parent)), found


def test_a_host_is_deployed(run: Run) -> None:
    """With a call by what the wheel declares: the server is proved from here."""
    done = run("pyinfra", "-y", "--json", SITE, "deploy.py")
    assert done.returncode == 0, done.stderr
    totals: dict[str, Any] = json.loads(done.stdout)["results"]["totals"]
    assert totals["success"] > 0, "something had deployed this lab before"
    assert totals["error"] == 0


def test_a_call_is_good(run: Run) -> None:
    done = run("livekit-metal", "call", "--inventory", SITE, "--seconds", "5", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"]


def test_the_procedures_are_in_the_wheel(run: Run) -> None:
    done = run("livekit-metal", "status", SITE, "--data", "json=yes")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["hosts"]) == set(LAB["hosts"])
    shown = run("livekit-metal", "secrets", SITE, "show")
    assert shown.stdout.startswith("LIVEKIT_API_KEY="), shown.stderr


def test_what_runs_on_hosts_is_collected_from_the_wheels_own_lock(run: Run) -> None:
    code = """from livekit_metal.runtime.probe.bundle import Target, packed
print(len(packed(Target("3.11", "x86_64"))))"""
    done = run("python", "-c", code)
    assert done.stdout == "2\n", done.stderr


def test_this_checkout_has_nothing_to_change(run: Run) -> None:
    assert (ROOT / INVENTORY).samefile(ROOT / "inventories/lab.py"), "give row one that inventory"
    results, said = outcome("inventories/lab.py")
    assert results["totals"]["success"] == results["totals"]["error"] == 0, f"{results}\n{said}"
    assert results["totals"]["no_change"] > 0, results
