"""What a repository of somebody's own needs: an inventory, a config.py and a deploy.py of a line each."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PYINFRA = Path(sys.executable).with_name("pyinfra")
ROOT = Path(__file__).parents[3]
INVENTORY = """from livekit_metal import load

site = {
    "hosts": {"lk1": {"address": "127.0.0.1", "roles": ["livekit", "redis"], "ssh": {"port": 1}}},
    "livekit": {"source": "file", "file": "program", "sha256": "SHA256"},
}
hosts = load(site, __file__)
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "inventories").mkdir()
    program = b"a program"
    (tmp_path / "program").write_bytes(program)
    (tmp_path / "inventories/prod.py").write_text(INVENTORY.replace("SHA256", hashlib.sha256(program).hexdigest()))
    (tmp_path / "config.py").write_text("import livekit_metal\n\nlivekit_metal.configure()\n")
    (tmp_path / "deploy.py").write_text("import livekit_metal\n\nlivekit_metal.deploy()\n")
    return tmp_path


def pyinfra(repository: Path, *words: str) -> Any:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "XDG_CONFIG_HOME": str(repository / "keys"),
        "XDG_CACHE_HOME": str(repository / "cache"),
    }
    command = [PYINFRA, *words, "deploy.py"]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)


def test_it_is_declared_in_the_order_of_a_deploy(repository: Path) -> None:
    """On this machine, which is only looked at."""
    inventory = repository / "inventories/prod.py"
    inventory.write_text(
        inventory.read_text() + 'hosts = [("@local", {})]\nimport livekit_metal.site.inventory as own\n'
        'own._current[0].hosts["@local"] = own._current[0].hosts["lk1"]\n'
    )
    said = pyinfra(repository, "inventories/prod.py", "--dry").stderr
    order = [line.partition("| ")[2].split()[0] for line in said.splitlines() if "livekit-metal | " in line]
    assert order[:2] == ["Lock", "Preflight"], said
    assert order[-2:] == ["Foundation", "Services"], said


def test_without_its_configuration_it_is_refused_where_it_is_declared(repository: Path) -> None:
    (repository / "config.py").write_text("")
    inventory = repository / "inventories/prod.py"
    inventory.write_text(inventory.read_text() + 'hosts = [("@local", {})]\n')  # declared where pyinfra is connected
    done = pyinfra(repository, "-y", "inventories/prod.py")
    assert done.returncode != 0
    assert "config.py: does not stop a deploy at the first host that fails; write" in done.stderr
    assert "Starting" not in done.stderr
