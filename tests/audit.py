"""`make audit`: known vulnerabilities of what we install from our locks and build from our modules.

Both programs come by themselves, at the versions below, and run beside the environment of the project. Where their data
cannot be had (no way to the databases) it says so and is content: a check must not depend on the weather. What is found
fails, unless audit.toml names it with the reason why it does no harm here.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-go.lock")
_PIP_AUDIT = "pip-audit==2.9.0"
_GOVULNCHECK = "golang.org/x/vuln/cmd/govulncheck@v1.1.4"
# Whose data the two programs ask for; a first question that goes unanswered saves waiting for all of them.
_OSV, _GO = "https://api.osv.dev/v1/vulns/GO-2024-2687", "https://vuln.go.dev/index/db.json"
_KNOCK = 5  # s
_LONGEST = 600  # s for one answer: govulncheck is compiled first


@dataclass(frozen=True, slots=True)
class Found:
    """A vulnerability of something that is in ``where``."""

    where: str
    what: str
    names: tuple[str, ...]  # GO-…, CVE-…, GHSA-…, PYSEC-…: the same one
    fixed: str

    def __str__(self) -> str:
        remedy = f"take {self.fixed}" if self.fixed else "no version is without it"
        return f"{self.where}: {self.what} has {' = '.join(self.names)}; {remedy}"


class Unknown(Exception):
    """There was no answer; the text says why."""


def of_python(lock: str) -> list[Found]:
    """What PyPI's advisories say of a lock. Raises Unknown."""
    _answers(_OSV)
    words = ["uv", "tool", "run", "--quiet", "--from", _PIP_AUDIT, "pip-audit", "--format=json", "--disable-pip"]
    said = _said([*words, "--vulnerability-service=osv", "--require-hashes", "--requirement", lock])
    return list(python_findings(lock, json.loads(said)))


def python_findings(lock: str, said: Mapping[str, Any]) -> Iterator[Found]:
    """What is in pip-audit's JSON."""
    for package in said["dependencies"]:
        for one in package.get("vulns", ()):
            names = (one["id"], *one.get("aliases", ()))
            yield Found(lock, f"{package['name']} {package['version']}", names, " or ".join(one["fix_versions"]))


def of_module(directory: Path) -> list[Found]:
    """What Go's database says of the modules in a go.mod. Raises Unknown."""
    _answers(_GO)
    words = ["go", "run", _GOVULNCHECK, "-C", str(directory), "-scan", "module", "-format", "json"]
    return list(go_findings(directory.name, _said(words)))


def go_findings(where: str, said: str) -> Iterator[Found]:
    """What is in govulncheck's stream of JSON objects."""
    decoder, rest = json.JSONDecoder(), said.strip()
    aliases: dict[str, list[str]] = {}
    found: dict[str, Found] = {}
    while rest:
        one, end = decoder.raw_decode(rest)
        rest = rest[end:].lstrip()
        if osv := one.get("osv"):
            aliases[osv["id"]] = osv.get("aliases", [])
        if finding := one.get("finding"):
            name, at = finding["osv"], finding["trace"][0]
            what = f"{at['module']} {at.get('version', '')}".rstrip()
            found[name] = Found(where, what, (name, *aliases.get(name, ())), finding.get("fixed_version", ""))
    yield from found.values()


@functools.cache
def _silence(url: str) -> str:
    """Why a database does not answer; '' when it does."""
    try:
        with urllib.request.urlopen(url, timeout=_KNOCK):
            return ""
    except OSError as error:
        return f"{url.split('/')[2]}: {error}"


def _answers(url: str) -> None:
    if why := _silence(url):
        raise Unknown(why)


def _said(words: list[str]) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unknown(str(error)) from error
    if not done.stdout.strip().startswith("{") or (done.returncode and "dependencies" not in done.stdout):
        raise Unknown((done.stderr.strip().splitlines() or ["it said nothing"])[-1][:300])
    return done.stdout


def main() -> int:
    """The exit status: 1 when something is found that is not allowed."""
    allowed = tomllib.loads((ROOT / "audit.toml").read_text())["allowed"]
    status = 0
    modules = sorted((ROOT / "livekit_metal/releases/modules").iterdir())
    questions = [(lock, functools.partial(of_python, lock)) for lock in LOCKS]
    questions += [(module.name, functools.partial(of_module, module)) for module in modules]
    for name, ask in questions:
        try:
            found = ask()
        except Unknown as why:
            print(f"not audited: {name} (no answer: {why})")
            continue
        for one in found:
            reason = next((allowed[n] for n in one.names if n in allowed), "")
            print(f"{'allowed' if reason else 'FAILED'} {one}" + (f" ({reason})" if reason else ""))
            status |= not reason
        print(f"audited: {name}, {len(found) or 'nothing'} found")
    return status


if __name__ == "__main__":
    sys.exit(main())
