"""The lock of a fleet for Node, and its modules: package-lock.json. npm fetches them, each compared with its hash.

Nobody's scripts run, here neither: what has to be compiled cannot be had. Modules with native code bring it as a
package of their own for a system and an architecture (`optionalDependencies`), which npm chooses for the hosts.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.roles.agents.code import NODES

LOCK, MANIFEST = "package-lock.json", "package.json"
_CPU = {"amd64": "x64", "arm64": "arm64"}
_MAKE = "write it: npm install --package-lock-only"
_LEAST = 2  # of lockfileVersion: from npm 7 on it has `packages`
_LAST_WORDS = 12
_FRAMEWORK = "node_modules/@livekit/agents"
_FOREIGN = ("git", "file:", "link:")


def problems(path: str, root: Path, version: str) -> Iterator[Problem]:
    """What speaks against the lock in ``root``, for a host with Node ``version``."""
    file = root / LOCK
    if not file.is_file():
        yield Problem(f"{path}.node", f"{root} has no {LOCK}", _MAKE)
        return
    if not (root / MANIFEST).is_file():
        yield Problem(f"{path}.node", f"{root} has no {MANIFEST}", "keep it beside the lock: npm reads both")
    lock = _read(file)
    packages = lock.get("packages")
    if not isinstance(packages, dict) or lock.get("lockfileVersion", 0) < _LEAST:
        yield Problem(f"{path}.node", f"{file} is no lock of npm 7 or newer", _MAKE)
        return
    for name, each in packages.items():
        if not name or each.get("inBundle") or each.get("dev"):
            continue
        if each.get("link") or str(each.get("resolved", "")).startswith(_FOREIGN):
            yield Problem(
                f"{path}.node", f"{file} has {_plain(name)!r} from somewhere else", "publish it to a registry"
            )
        elif not each.get("integrity"):
            yield Problem(f"{path}.node", f"{file} has {_plain(name)!r} without a hash (integrity)", _MAKE)
    asked = str(packages.get("", {}).get("engines", {}).get("node", "*"))
    if not satisfies(NODES[version], asked):
        fact = f"is {version}, and {MANIFEST} asks for {asked}"
        yield Problem(f"{path}.interpreter", fact, "name the Node of the hosts, or change engines")


def framework(root: Path) -> str:
    """The version of @livekit/agents in the lock; '0' without one."""
    return str(_read(root / LOCK).get("packages", {}).get(_FRAMEWORK, {}).get("version", "0"))


def platform(version: str, arch: str) -> str:
    """What modules with native code may be made for."""
    return f"linux-{_CPU[arch]}-glibc"


def told(path: str, root: Path) -> bytes:
    """What decides which modules come."""
    return (root / LOCK).read_bytes() + (root / MANIFEST).read_bytes()


def fetch(path: str, root: Path, version: str, arch: str, work: Path) -> Path:
    """Fetch the modules of the lock to a directory in ``work``. Raises SiteError with npm's words."""
    if (npm := shutil.which("npm")) is None:
        remedy = "install it (Node 20 or newer has it): modules are fetched here, not on hosts"
        raise SiteError([Problem(f"{path}.source", "npm is not on this machine", remedy)])
    tree = work / "site"
    tree.mkdir()
    for name in (LOCK, MANIFEST):
        shutil.copyfile(root / name, tree / name)
    if (root / ".npmrc").is_file():  # its registries
        shutil.copyfile(root / ".npmrc", tree / ".npmrc")
    words = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--no-bin-links", "--no-progress"]
    words += ["--os=linux", f"--cpu={_CPU[arch]}", "--libc=glibc"]
    done = subprocess.run([npm, *words], capture_output=True, text=True, check=False, cwd=tree)
    (tree / ".npmrc").unlink(missing_ok=True)  # may have a key; no host needs it
    if done.returncode:
        said = re.sub(r"\x1b\[[0-9;]*m", "", done.stderr).replace("npm error ", "")
        words_of = "\n".join(f"    {line}" for line in said.strip().splitlines()[-_LAST_WORDS:])
        fact = f"the modules of {LOCK} cannot be had for {platform(version, arch)}"
        raise SiteError([Problem(f"{path}.source", fact, f"see what npm says, and make the lock again\n{words_of}")])
    return tree


def _read(file: Path) -> dict[str, Any]:
    try:
        said = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _plain(name: str) -> str:
    return name.rpartition("node_modules/")[2]


_PART = re.compile(r"(\^|~|>=|<=|>|<|=)?\s*v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?[\w.+-]*$")


def satisfies(version: tuple[int, int, int], wanted: str) -> bool:
    """Whether ``version`` is in npm's range ``wanted`` (node-semver); what cannot be read forbids nothing."""
    return any(_within(version, each) for each in wanted.split("||"))


def _within(version: tuple[int, int, int], wanted: str) -> bool:
    wanted = re.sub(r"(\^|~|>=|<=|>|<|=)\s+", r"\1", wanted.strip())
    if between := re.fullmatch(r"(\S+) - (\S+)", wanted):
        wanted = f">={between[1]} <={between[2]}"
    for part in wanted.split():
        if not (found := _PART.fullmatch(part)) or not found[2].isdigit():
            continue
        given = [int(number) for number in found.groups()[1:] if number and number.isdigit()]
        low, high = (*given, 0, 0)[:3], (*given[:-1], given[-1] + 1, 0, 0)[:3]
        if found[1] == "^":
            high = (given[0] + 1, 0, 0)
        elif found[1] == "~":
            high = (given[0], given[1] + 1, 0) if len(given) > 1 else high
        tests = {">=": version >= low, ">": version >= high, "<": version < low, "<=": version < high}
        if not tests.get(found[1] or "", low <= version < high):
            return False
    return True
