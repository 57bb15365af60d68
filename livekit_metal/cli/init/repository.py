"""The files of a repository: made elsewhere, loaded as pyinfra would, and only then put in place."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livekit_metal.cli.init.python_text import literal
from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.site import inventory

_MAY_BE_THERE = {".git", ".venv", "venv"}
_ABOVE = {  # comments over the sections of an inventory
    "hosts": "in the order of a deploy; the first is the canary",
    "firewall": "networks that may open SSH: yours must be among them",
    "edge": "the domain leads to every host",
    "acme": "what the CA asks for",
}
_INVENTORY = '''"""What runs where. Every setting: docs/configuration.md of livekit-metal."""

from livekit_metal import load

site = {{
{sections}}}

hosts = load(site, __file__)
'''
_DEPLOY = '''"""Bring hosts to what the inventory says."""

import livekit_metal

livekit_metal.deploy()
'''
_CONFIG = '''"""pyinfra reads this before any inventory: what holds for every run."""

import livekit_metal

livekit_metal.configure()
'''
_IGNORED = """.venv/
__pycache__/
pyinfra-debug.log
*.key
.*.secrets.new
.*.key.new
"""
_ATTRIBUTES = """# encrypted: a merge line by line would break it
*.secrets -text -diff -merge
"""
_README = """# LiveKit on hosts of our own

Deployed by [pyinfra](https://pyinfra.com) with livekit-metal. What runs where: `{inventory}`.

    pyinfra {inventory} deploy.py        # shows what would change, asks, then does it
    livekit-metal status {inventory}     # slots, who is on them, maintenance
    livekit-metal doctor {inventory}     # what is wrong, with a real call by each path
    livekit-metal secrets {inventory} show --reveal
    livekit-metal call --inventory {inventory}

Before the first deploy: log in to every host once with `ssh`, so that its host key is known. Names lead to the hosts,
and the cloud's firewall lets through what `docs/network.md` of livekit-metal lists.

The first deploy makes `{secrets}` (encrypted: commit it, and the `.lock` beside it) and its key in
`~/.config/livekit-metal/`. Without the key nobody can deploy this site: keep a copy elsewhere.

`livekit-metal --help` lists the other commands: rollback, drain, remove-host and so on. Where the documentation and
messages of livekit-metal say `pyinfra INVENTORY procedures/NAME.py`, write `livekit-metal NAME INVENTORY` here, and
`livekit-metal secrets` for `python -m procedures.secrets`. Another version: install it, read its changelog, deploy.
"""


def refuse_unless_free(directory: Path) -> None:
    """Raise SiteError unless ``directory`` is missing or has nothing but a git repository or Python's environment."""
    try:
        found = sorted({path.name for path in directory.iterdir()} - _MAY_BE_THERE)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SiteError([Problem(str(directory), f"cannot be read ({error.strerror})", "name another")]) from None
    if found:
        raise SiteError([Problem(str(directory), f"is not empty: there is {found[0]}", "name an empty directory")])


def files(name: str, site: Mapping[str, Any]) -> dict[str, str]:
    """Text by path, for the site ``name``."""
    inventory_file = f"inventories/{name}.py"
    sections = (_section(each, value) for each, value in site.items())
    return {
        inventory_file: _INVENTORY.format(sections="".join(sections)),
        "deploy.py": _DEPLOY,
        "config.py": _CONFIG,
        ".gitignore": _IGNORED,
        ".gitattributes": _ATTRIBUTES,
        "README.md": _README.format(inventory=inventory_file, secrets=f"inventories/{name}.secrets"),
    }


def _section(name: str, value: Any) -> str:
    comment = f"    # {_ABOVE[name]}\n" if name in _ABOVE else ""
    entry = f'    "{name}": '
    deep = 2 if name == "hosts" else 0
    return f"{comment}{entry}{literal(value, indent=4, before=len(entry) - 4, open_to=deep)},\n"


def check(name: str, site: Mapping[str, Any]) -> None:
    """Raise SiteError with everything that is wrong with the inventory: it is loaded as it will stand there."""
    with tempfile.TemporaryDirectory(prefix="livekit-metal-") as place:
        _write(Path(place), files(name, site))
        try:
            inventory.read(Path(place) / f"inventories/{name}.py")
        except SystemExit as error:
            if isinstance(error.__cause__, SiteError):
                raise error.__cause__ from None
            raise


def write(directory: Path, name: str, site: Mapping[str, Any]) -> None:
    """Raises SiteError when the file system does not let it."""
    try:
        _write(directory, files(name, site))
    except OSError as error:
        remedy = "remove what was written, or name another directory"
        raise SiteError([Problem(str(error.filename), f"cannot be written ({error.strerror})", remedy)]) from None


def _write(directory: Path, texts: Mapping[str, str]) -> None:
    for path, text in texts.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
