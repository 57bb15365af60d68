"""See and change the secrets of a site: ``python -m procedures.secrets INVENTORY VERB``.

    show [--reveal]             the current API key, as lines that a shell can source
    import-key KEY              add an API key that is in use already; its secret is read from stdin
    set NAME                    take over a password that others decide (redis-external), read from stdin
    rotate api-key | NAME       make a new API key, or password NAME (redis, redis-ROLE); the old one stays valid
    rotate daemons              make another API key for the daemons beside livekit-server; the old one stays valid
    rotate acme-account         make a new account for ACME; the CA is told of it when a certificate is next due
    rotate ca                   make another CA of the site's own, which clients trust besides; edges go on with the old
    retire api-key KEY | NAME   end an old API key, or the previous password NAME
    retire ca                   have edges go on with the new CA; once more: have clients trust the old one no longer
    separate daemons            give the daemons beside livekit-server their own API key, when every host is deployed
    join daemons                have them use the applications' API key again
    rekey                       encrypt the file with a new key; every secret stays
    unite FILE                  take in what FILE has, another copy of the secrets file that went its own way
    fingerprint                 what the hosts know this site's secrets by
    ca                          the certificate of the site's own CA (edge.tls 'internal'), for clients

A change goes to the encrypted file at once and to the hosts with the next deploy. No secret is an argument.
"""

from __future__ import annotations

import argparse
import getpass
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.roles.acme import certificates as acme
from livekit_metal.roles.edge import authority
from livekit_metal.roles.exporters.settings import LOGIN
from livekit_metal.site import inventory
from livekit_metal.site.model import Site
from livekit_metal.vault.values import DAEMONS
from livekit_metal.vault.vault import Vault

# in a wheel there is no module `procedures`
_PROGRAM = (
    "livekit-metal secrets" if (__package__ or "").startswith("livekit_metal") else "python -m procedures.secrets"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 refused (the reason is on stderr), 2 wrong usage, 130 interrupted."""
    args = _parser().parse_args(argv)
    verb: Callable[[Vault, argparse.Namespace], str] = args.run
    try:
        args.site = _site(args.inventory)
        print(verb(_vault(args, must_exist=verb not in (import_key, set_password)), args))
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        return 130
    return 0


def show(vault: Vault, args: argparse.Namespace) -> str:
    secret = vault.api_secret.reveal() if args.reveal else str(vault.api_secret)
    lines = [f"LIVEKIT_API_KEY={vault.api_key}", f"LIVEKIT_API_SECRET={shlex.quote(secret)}"]
    lines += [f"# also valid: {key}" for key in vault.api_keys if key != vault.api_key]
    if vault.knows(LOGIN):  # of a Prometheus of the operator's, who needs it
        password = vault.passwords(LOGIN)[0]
        lines += [f"METRICS_PASSWORD={shlex.quote(password.reveal() if args.reveal else str(password))}"]
    return "\n".join(lines)


def import_key(vault: Vault, args: argparse.Namespace) -> str:
    vault.import_api_key(args.key, _asked(args.key))
    return _changed(vault, args, f"{args.key} is valid; the current API key is {vault.api_key}")


def set_password(vault: Vault, args: argparse.Namespace) -> str:
    vault.set_password(args.name, _asked(args.name))
    known = {args.name: vault.passwords(args.name)[0]}
    site = inventory.read(Path(args.inventory))
    if problems := [problem for role in site.roles for problem in role.wrong_secrets(site, known)]:
        raise SiteError(problems)
    return _changed(vault, args, f"{args.name} has the password you gave")


def _asked(what: str) -> str:
    """A secret from a prompt or from standard input, never from an argument."""
    asked = getpass.getpass(f"Secret of {what}: ") if sys.stdin.isatty() else sys.stdin.read()
    return asked.strip()


def rotate(vault: Vault, args: argparse.Namespace) -> str:
    if args.what == "api-key":
        old, new = vault.api_key, vault.rotate_api_key()
        told, end = f"{new} is the current API key; {old} stays valid", f"retire api-key {old}"
    elif args.what == "acme-account":
        acme.another_account(vault)
        return _changed(vault, args, "the site has another account; to end the old one is the CA's")
    elif args.what == "ca":
        authority.rotate(vault, args.site)
        told = f"{authority.file(vault)} has another CA besides; certificates still come from the old one"
        return _changed(vault, args, f"{told}\nwhen all clients trust that file: {_command(args, 'retire ca')}")
    elif args.what == DAEMONS:
        vault.rotate_password(args.what)
        told, end = (
            "the daemons beside livekit-server have another API key; the previous one stays valid",
            f"retire {args.what}",
        )
    else:
        vault.rotate_password(args.what)
        told, end = f"{args.what} has a new password; the previous one stays valid", f"retire {args.what}"
    return _changed(vault, args, f"{told}\nwhen nobody uses the old one any more: {_command(args, end)}")


def _command(args: argparse.Namespace, words: str) -> str:
    return f"{_PROGRAM} {args.inventory} {words}"


def retire(vault: Vault, args: argparse.Namespace) -> str:
    if (args.what == "api-key") != (args.key is not None):
        remedy = "name the API key to end, or a password alone: retire api-key KEY, retire redis"
        raise SiteError([Problem("retire", "does not say what to end", remedy)])
    if args.what == "ca":
        return _changed(vault, args, authority.retire(vault) + _once_more(vault, args))
    if args.key is None:
        vault.retire_password(args.what)
        what = "API key of the daemons beside livekit-server" if args.what == DAEMONS else f"password of {args.what}"
        return _changed(vault, args, f"the previous {what} ends")
    vault.retire_api_key(args.key)
    return _changed(vault, args, f"{args.key} ends; the current API key is {vault.api_key}")


def _once_more(vault: Vault, args: argparse.Namespace) -> str:
    """The last step of a rotation that is not over."""
    if not tuple(authority.words(vault)):
        return ""
    return f"\nwhen every host is deployed, to end the trust in the old one: {_command(args, 'retire ca')}"


def separate(vault: Vault, args: argparse.Namespace) -> str:
    vault.separate()
    told = "the daemons beside livekit-server will use an API key of their own; the applications' stays theirs"
    undo = f"before a roll back to a livekit-server that does not know it yet: {_command(args, 'join daemons')}"
    return _changed(vault, args, f"{told}\n{undo}")


def join(vault: Vault, args: argparse.Namespace) -> str:
    vault.join()
    return _changed(vault, args, "the daemons beside livekit-server will use the applications' API key")


def rekey(vault: Vault, args: argparse.Namespace) -> str:
    told: list[str] = []
    vault.rekey(told.append)
    return f"{told[-1]}\nno deploy is needed: hosts do not know the key"


def unite(vault: Vault, args: argparse.Namespace) -> str:
    other = vault.another(Path(args.file))
    if str(other.state) == str(vault.state):
        return f"{args.file} has the same secrets, nothing was written"
    told = vault.unite(other) or [f"nothing in {args.file} was new; hosts that were deployed with it take this one"]
    done = [f"{vault.path} now has what both have, as serial {vault.coming.serial}", *told]
    return _changed(vault, args, "\n".join(done))


def fingerprint(vault: Vault, args: argparse.Namespace) -> str:
    return vault.fingerprint()


def ca(vault: Vault, args: argparse.Namespace) -> str:
    return authority.trusted(vault).rstrip()


def _site(file: str) -> Site:
    if not Path(file).is_file():
        remedy = "name one, such as inventories/prod.py"
        raise SiteError([Problem(file, "there is no such inventory", remedy)])
    return inventory.read(Path(file))


def _vault(args: argparse.Namespace, *, must_exist: bool) -> Vault:
    """The vault of an inventory as its file has it.

    Reading the inventory asks for an API key and passwords, which makes them where there are none. What was
    made like this is dropped: a key that is imported into a new vault shall be its only one.
    """
    vault: Vault | None = args.site.vault
    if vault is None:
        raise RuntimeError("livekit_metal.site.inventory.read() gave a site without a vault")
    vault = vault.as_saved()
    if must_exist and not vault.exists:
        remedy = f"the first deploy makes it: pyinfra {args.inventory} deploy.py"
        raise SiteError([Problem("secrets", f"{vault.path} does not exist yet", remedy)])
    return vault


def _changed(vault: Vault, args: argparse.Namespace, told: str) -> str:
    vault.persist(lambda message: print(message, file=sys.stderr))
    return f"{told}\nnext: pyinfra {args.inventory} deploy.py"


def _about() -> str:
    return (__doc__ or "").replace("python -m procedures.secrets", _PROGRAM)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(_PROGRAM, description=_about(), formatter_class=raw)
    parser.add_argument("inventory", metavar="INVENTORY")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, run: Callable[[Vault, argparse.Namespace], str]) -> argparse.ArgumentParser:
        made = verbs.add_parser(name)
        made.set_defaults(run=run)
        return made

    verb("show", show).add_argument("--reveal", action="store_true", help="print the secret in clear")
    verb("import-key", import_key).add_argument("key", metavar="KEY")
    verb("set", set_password).add_argument("name", metavar="NAME")
    verb("rotate", rotate).add_argument("what", metavar="api-key|daemons|acme-account|ca|NAME")
    ending = verb("retire", retire)
    ending.add_argument("what", metavar="api-key|daemons|ca|NAME")
    ending.add_argument("key", metavar="KEY", nargs="?")
    verb("separate", separate).add_argument("what", choices=[DAEMONS])
    verb("join", join).add_argument("what", choices=[DAEMONS])
    verb("rekey", rekey)
    verb("unite", unite).add_argument("file", metavar="FILE")
    verb("fingerprint", fingerprint)
    verb("ca", ca)
    return parser


if __name__ == "__main__":
    sys.exit(main())
