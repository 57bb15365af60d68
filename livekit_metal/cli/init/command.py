"""The arguments of ``livekit-metal init``, and what it says."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from livekit_metal.cli.init import repository
from livekit_metal.cli.init.answers import PLACES, Answers, choices, site
from livekit_metal.cli.init.questions import ask
from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.core.fields import options
from livekit_metal.site.host import Ssh

_ABOUT = """A repository for a site: inventory, deploy.py, config.py, README.

Nothing is written unless the site is sound. Without --host it asks, on a terminal, for what no flag says."""


def main(argv: Sequence[str]) -> int:
    """Exit status: 0 written, 1 refused (the reasons are on stderr), 2 wrong usage, 130 interrupted."""
    given = _parser().parse_args(argv)
    directory = Path(given.directory)
    try:
        _refuse(given.name)
        repository.refuse_unless_free(directory)
        answers = _answers(given)
        if not answers.hosts and sys.stdin.isatty():
            answers = ask(answers, input, print)
        _complete(answers)
        data = site(answers)
        repository.check(given.name, data)
        repository.write(directory, given.name, data)
    except SiteError as error:
        hint = "any setting of the inventory can be given as --set PATH=VALUE"
        print(f"livekit-metal init: nothing was written ({hint})\n{error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("\nlivekit-metal init: interrupted, nothing was written", file=sys.stderr)
        return 130
    print(f"{directory}: written\nnext: {_next(directory, given.name)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("livekit-metal init", description=_ABOUT, formatter_class=raw, allow_abbrev=False)
    add = parser.add_argument
    add("directory", metavar="DIR", help="a new or an empty one")
    add("--host", dest="hosts", action="append", metavar="[NAME=]ADDRESS[,PRIVATE]", help="once for each host")
    add("--admin", action="append", metavar="NETWORK", help="may open SSH; once for each")
    add("--domain", default="", metavar="NAME", help="for clients; leads to the hosts")
    add("--email", default="", metavar="ADDRESS", help="for the CA of the certificates")
    add("--tls", default="", choices=("acme", "internal", "off"), help="default: acme where there is a domain")
    add("--name", default="prod", help="of the site and its inventory; default: %(default)s")
    add("--set", dest="settings", action="append", metavar="PATH=VALUE", help="any setting: livekit.source=module")
    where = parser.add_argument_group("what runs where", f"HOSTS: {PLACES}")
    for role in choices():
        where.add_argument(f"--{role.name}", metavar="HOSTS", default="", help=role.purpose)
    ssh = parser.add_argument_group("how to log in")
    for name, field in options(Ssh).items():
        flag, about = f"--ssh-{name.replace('_', '-')}", field.metadata["doc"]
        ssh.add_argument(flag, dest=f"ssh_{name}", metavar=name.upper(), default="", help=about)
    return parser


def _answers(given: argparse.Namespace) -> Answers:
    places = {role.name: getattr(given, role.name) for role in choices()}
    ssh = {name: getattr(given, f"ssh_{name}") for name in options(Ssh)}
    return Answers(
        hosts=tuple(given.hosts or ()),
        admin=tuple(given.admin or ()),
        domain=given.domain,
        email=given.email,
        tls=given.tls,
        places={role: where for role, where in places.items() if where},
        ssh={name: value for name, value in ssh.items() if value},
        settings=tuple(given.settings or ()),
    )


def _refuse(name: str) -> None:
    """A name that could be no file of Python's, or leads elsewhere."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name, re.ASCII):
        raise SiteError([Problem("--name", f"{name!r} is not a name for a site", "use letters, digits, - and _")])


def _complete(answers: Answers) -> None:
    wanted = {
        "--host": (answers.hosts, "name each host: --host lk1=203.0.113.11"),
        "--admin": (answers.admin, "name the network that you come from: --admin 198.51.100.0/24"),
    }
    if answers.tls == "acme" or (answers.domain and not answers.tls):
        wanted["--email"] = ((answers.email,) if answers.email else (), "the CA of the certificates asks for one")
        wanted["--domain"] = ((answers.domain,) if answers.domain else (), "certificates are for a name")
    missing = [Problem(flag, "is missing", remedy) for flag, (value, remedy) in wanted.items() if not value]
    if missing:
        raise SiteError(missing)


def _next(directory: Path, name: str) -> str:
    """The command that deploys, with the pyinfra that is installed beside this program."""
    own, there = Path(sys.executable).with_name("pyinfra"), Path.cwd() / directory
    found = shutil.which("pyinfra")
    if found and Path(found).resolve() == own.resolve():
        pyinfra = "pyinfra"
    else:
        pyinfra = str(own.relative_to(there) if own.is_relative_to(there) else own)
    move = "" if there.resolve() == Path.cwd() else f"cd {shlex.quote(str(directory))} && "
    return f"{move}{shlex.quote(pyinfra)} inventories/{name}.py deploy.py"
