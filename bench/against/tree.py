"""What the hosts have after a deploy, as data and files for the playbook."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from bench.against.ways import FAR, Hosts, run
from livekit_metal.site import inventory
from livekit_metal.site.model import Site

_LINKS = "find {config} /etc/systemd/system/livekit-*.d -type l -printf '%p\\t%l\\n'"


def wanted(hosts: Hosts, retention: int, directory: Path) -> dict[str, dict[str, Any]]:
    """Host -> what it has now; the text of every file, and the programs, are below ``directory``."""
    site, file = inventory.read(Path(hosts.inventory)), directory / "wanted.json"
    run([sys.executable, "-m", "bench.against.wanted", str(file), FAR, "deploy.py"], hosts.environment(retention))
    found: dict[str, dict[str, Any]] = json.loads(file.read_text())
    for name, each in found.items():
        each["root"] = str(root := directory / name)
        root.mkdir()
        paths = [one["path"].lstrip("/") for one in each["files"]]
        packed = _said(hosts, name, "tar -C / -czf - " + shlex.join(paths))
        subprocess.run(["tar", "-C", str(root), "-xzf", "-"], input=packed, check=True)
        _more(hosts, name, site, each)
    return found


def _more(hosts: Hosts, name: str, site: Site, each: dict[str, Any]) -> None:
    """What a first deploy makes and later ones find: links, programs, the directories that files are in."""
    lines = _said(hosts, name, _LINKS.format(config=site.paths.config)).decode().splitlines()
    each["links"] = [dict(zip(("path", "to"), line.split("\t"), strict=True)) for line in lines]
    each["users"] = _said(hosts, name, "getent passwd | cut -d: -f1 | grep ^livekit").decode().split()
    releases = site.paths.releases
    each["program"] = _said(hosts, name, f"find {releases} -type f | head -n 1").decode().strip()
    programs = _said(hosts, name, f"tar -C / -czf - {releases.lstrip('/')}")
    (Path(each["root"]) / "programs.tar.gz").write_bytes(programs)
    within = {str(PurePosixPath(one["path"]).parent) for one in [*each["files"], *each["links"]]}
    each["parents"] = sorted({*within, site.paths.state, releases})


def _said(hosts: Hosts, name: str, command: str) -> bytes:
    return subprocess.run([*hosts.ssh(name), command], capture_output=True, check=True).stdout
