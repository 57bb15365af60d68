"""See and change the secrets of a site: ``python -m procedures.secrets INVENTORY VERB``.

    show [--reveal]             the current API key, as lines that a shell can source
    import-key KEY              add an API key that is in use already; its secret is read from stdin
    set NAME                    take over a password that others decide (redis-external), read from stdin
    rotate api-key | NAME       make a new API key, or password NAME (redis); the old one stays valid
    rotate acme-account         make a new account for ACME; the CA is told of it when a certificate is next due
    retire api-key KEY | NAME   end an old API key, or the previous password NAME
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

from stack import acme, inventory, phones, tls
from stack.errors import Problem, SiteError
from stack.vault import Vault


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 refused (the reason is on stderr), 2 wrong usage, 130 interrupted."""
    args = _parser().parse_args(argv)
    verb: Callable[[Vault, argparse.Namespace], str] = args.run
    try:
        print(verb(_vault(args.inventory, must_exist=verb not in (import_key, set_password)), args))
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
    return "\n".join(lines)


def import_key(vault: Vault, args: argparse.Namespace) -> str:
    vault.import_api_key(args.key, _asked(args.key))
    return _changed(vault, args, f"{args.key} is valid; the current API key is {vault.api_key}")


def set_password(vault: Vault, args: argparse.Namespace) -> str:
    vault.set_password(args.name, _asked(args.name))
    known = {args.name: vault.passwords(args.name)[0]}
    if problems := [*phones.wrong(inventory.read(Path(args.inventory)).sip, known)]:
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
    else:
        vault.rotate_password(args.what)
        told, end = f"{args.what} has a new password; the previous one stays valid", f"retire {args.what}"
    later = f"when nobody uses the old one any more: python -m procedures.secrets {args.inventory} {end}"
    return _changed(vault, args, f"{told}\n{later}")


def retire(vault: Vault, args: argparse.Namespace) -> str:
    if (args.what == "api-key") != (args.key is not None):
        remedy = "name the API key to end, or a password alone: retire api-key KEY, retire redis"
        raise SiteError([Problem("retire", "does not say what to end", remedy)])
    if args.key is None:
        vault.retire_password(args.what)
        return _changed(vault, args, f"the previous password of {args.what} ends")
    vault.retire_api_key(args.key)
    return _changed(vault, args, f"{args.key} ends; the current API key is {vault.api_key}")


def fingerprint(vault: Vault, args: argparse.Namespace) -> str:
    return vault.fingerprint()


def ca(vault: Vault, args: argparse.Namespace) -> str:
    return tls.ca_certificate(vault).rstrip()


def _vault(file: str, *, must_exist: bool) -> Vault:
    """The vault of an inventory as its file has it.

    Reading the inventory asks for an API key and passwords, which makes them where there are none. What was
    made like this is dropped: a key that is imported into a new vault shall be its only one.
    """
    if not Path(file).is_file():
        remedy = "name one, such as inventories/prod.py"
        raise SiteError([Problem(file, "there is no such inventory", remedy)])
    vault = inventory.read(Path(file)).vault
    if vault is None:
        raise RuntimeError("stack.inventory.read() gave a site without a vault")
    vault = vault.as_saved()
    if must_exist and not vault.exists:
        remedy = f"the first deploy makes it: pyinfra {file} deploy.py"
        raise SiteError([Problem("secrets", f"{vault.path} does not exist yet", remedy)])
    return vault


def _changed(vault: Vault, args: argparse.Namespace, told: str) -> str:
    vault.persist(lambda message: print(message, file=sys.stderr))
    return f"{told}\nnext: pyinfra {args.inventory} deploy.py"


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m procedures.secrets", description=__doc__, formatter_class=raw)
    parser.add_argument("inventory", metavar="INVENTORY")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, run: Callable[[Vault, argparse.Namespace], str]) -> argparse.ArgumentParser:
        made = verbs.add_parser(name)
        made.set_defaults(run=run)
        return made

    verb("show", show).add_argument("--reveal", action="store_true", help="print the secret in clear")
    verb("import-key", import_key).add_argument("key", metavar="KEY")
    verb("set", set_password).add_argument("name", metavar="NAME")
    verb("rotate", rotate).add_argument("what", metavar="api-key|acme-account|NAME")
    ending = verb("retire", retire)
    ending.add_argument("what", metavar="api-key|NAME")
    ending.add_argument("key", metavar="KEY", nargs="?")
    verb("fingerprint", fingerprint)
    verb("ca", ca)
    return parser


if __name__ == "__main__":
    sys.exit(main())
