"""``python -m procedures.secrets``: what it prints and refuses, and where a secret may come from and go."""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from livekit_metal.site.inventory import read
from livekit_metal.vault.vault import Vault
from procedures import secrets as procedure
from tests.support.values.sites import PHONES, SINGLE
from tests.unit.conftest import INVENTORY, Run, next_step, reopened

ROOT = Path(procedure.__file__).parents[1]
LONG = "imported-'secret'-of-more-than-32-characters"


def test_show_reveals_on_request_only(run: Run, deployed: Vault) -> None:
    key, secret = deployed.api_key, deployed.api_secret.reveal()
    redacted = f"LIVEKIT_API_KEY={key}\nLIVEKIT_API_SECRET='Secret(livekit.keys.{key})'\n"
    assert run("show") == (0, redacted, "")
    assert run("show", "--reveal") == (0, f"LIVEKIT_API_KEY={key}\nLIVEKIT_API_SECRET={secret}\n", "")


def test_a_prometheus_of_the_operators_gets_its_password_there(run: Run, deployed: Vault) -> None:
    """Where the site has one: whoever scrapes must write it into a file of his own."""
    assert "METRICS" not in run("show", "--reveal")[1]
    deployed.set_password("metrics", "of my own")
    deployed.persist()
    assert "METRICS_PASSWORD='of my own'\n" in run("show", "--reveal")[1]
    assert "of my own" not in run("show")[1]


def test_what_show_prints_can_be_sourced(run: Run, inventory: Path) -> None:
    run("import-key", "APIold", stdin=LONG)
    _, out, _ = run("show", "--reveal")
    script = f'{out}printf "%s %s" "$LIVEKIT_API_KEY" "$LIVEKIT_API_SECRET"'
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert shell.stdout == f"APIold {LONG}"


def test_import_into_a_new_site_makes_its_only_key(run: Run, inventory: Path) -> None:
    status, out, err = run("import-key", "APIold", stdin=f"{LONG}\n")
    assert (status, out) == (0, f"APIold is valid; the current API key is APIold\n{next_step(inventory)}")
    assert err.startswith(f"secrets: wrote {inventory.with_suffix('.secrets')} (encrypted: commit it); its key ")
    assert {k: s.reveal() for k, s in reopened(inventory).api_keys.items()} == {"APIold": LONG}


def test_import_asks_on_a_terminal_without_echo(
    inventory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return LONG

    monkeypatch.setattr(getpass, "getpass", ask)
    assert procedure.main([str(inventory), "import-key", "APIold"]) == 0
    assert asked == ["Secret of APIold: "]
    assert LONG not in "".join(capsys.readouterr())
    assert reopened(inventory).api_secret.reveal() == LONG


def test_a_secret_is_no_argument(run: Run, deployed: Vault) -> None:
    with pytest.raises(SystemExit) as caught:
        run("import-key", "APIold", LONG)
    assert caught.value.code == 2
    assert list(deployed.as_saved().api_keys) == [deployed.api_key]


def test_an_api_key_goes_through_its_life(run: Run, deployed: Vault, inventory: Path) -> None:
    old = deployed.api_key
    status, out, _ = run("rotate", "api-key")
    new = reopened(inventory).api_key
    assert status == 0
    assert out == (
        f"{new} is the current API key; {old} stays valid\n"
        f"when nobody uses the old one any more: python -m procedures.secrets {inventory} retire api-key {old}\n"
        f"{next_step(inventory)}"
    )
    assert list(reopened(inventory).api_keys) == [new, old]
    assert run("show")[1].endswith(f"# also valid: {old}\n")
    command = out.splitlines()[1].partition(f"{inventory} ")[2]  # the command that the operator was told
    ended = f"{old} ends; the current API key is {new}\n{next_step(inventory)}"
    assert run(*shlex.split(command))[:2] == (0, ended)
    assert list(reopened(inventory).api_keys) == [new]


def test_a_password_goes_through_its_life(run: Run, deployed: Vault, inventory: Path) -> None:
    (old,) = deployed.passwords("redis")
    status, out, _ = run("rotate", "redis")
    new, kept = reopened(inventory).passwords("redis")
    assert (status, kept) == (0, old)
    assert out.endswith(f"python -m procedures.secrets {inventory} retire redis\n{next_step(inventory)}")
    assert not [v for v in reopened(inventory).every_value() if v in out]
    assert run("retire", "redis")[0] == 0
    assert reopened(inventory).passwords("redis") == (new,)


def test_fingerprint_is_that_of_the_vault(run: Run, deployed: Vault) -> None:
    assert run("fingerprint") == (0, f"{deployed.fingerprint()}\n", "")


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        ("import-key APIx", "short", "secrets.api_keys.APIx: its secret is shorter than 32 characters (5); "),
        ("import-key API.x", LONG, "secrets.api_keys: 'API.x' is not an API key; "),
        ("rotate rediss", "", "secrets.passwords.rediss: unknown password; did you mean 'redis'?"),
        ("retire redis", "", "secrets.passwords.redis: has no previous one; "),
        ("retire api-key APIx", "", "secrets.api_keys.APIx: unknown API key; "),
        ("retire api-key", "", "retire: does not say what to end; "),
        ("retire redis APIx", "", "retire: does not say what to end; "),
    ],
)
def test_bad_input_is_refused(words: str, stdin: str, message: str, run: Run, deployed: Vault) -> None:
    before = deployed.path.read_bytes()
    status, out, err = run(*words.split(), stdin=stdin)
    assert (status, out) == (1, "")
    assert err.startswith(message)
    assert deployed.path.read_bytes() == before


@pytest.mark.parametrize("words", ["show", "rotate api-key", "rotate redis", "retire redis", "fingerprint"])
def test_before_the_first_deploy_there_is_nothing(words: str, run: Run, inventory: Path, tmp_path: Path) -> None:
    fact = f"{inventory.with_suffix('.secrets')} does not exist yet"
    message = f"secrets: {fact}; the first deploy makes it: pyinfra {inventory} deploy.py\n"
    assert run(*words.split()) == (1, "", message)
    assert [p.name for p in tmp_path.iterdir()] == ["prod.py"]


def test_an_inventory_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert procedure.main([f"{tmp_path}/x.py", "show"]) == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path}/x.py: there is no such inventory; ")


def test_a_key_of_another_site_ends_the_command(deployed: Vault, inventory: Path) -> None:
    """As the operator runs it: the inventory itself ends the program, with a message and no traceback."""
    environment = {**os.environ, "LIVEKIT_METAL_KEY": "x" * 43}
    command = [sys.executable, "-m", "procedures.secrets", str(inventory), "show", "--reveal"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "LIVEKIT_METAL_KEY holds key " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_certificate_of_the_sites_own_ca_is_shown(inventory: Path, run: Run) -> None:
    inventory.write_text(INVENTORY.replace("}, __file__)", ", 'edge': {'tls': 'internal'}}, __file__)"))
    site = read(inventory)
    assert site.vault is not None
    site.vault.persist()
    status, said, _ = run("ca")
    assert (status, said) == (0, inventory.with_name("prod.ca.pem").read_text())
    assert "PRIVATE" not in said


def test_a_site_without_a_ca_of_its_own_says_so(deployed: Vault, run: Run) -> None:
    remedy = "set edge.tls to internal and deploy"
    assert run("ca") == (1, "", f"edge.tls: the site has no CA of its own; {remedy}\n")


def test_the_account_at_a_ca_can_be_another_one(inventory: Path, run: Run) -> None:
    edge = {"edge": {"tls": "acme", "domain": "lk.example.org"}, "acme": {"email": "ops@example.org"}}
    inventory.write_text(f"from livekit_metal import load\n\nhosts = load({SINGLE | edge!r}, __file__)\n")
    first = read(inventory)
    assert first.vault
    first.vault.persist()
    status, out, _ = run("rotate", "acme-account")
    assert (status, out.splitlines()[0]) == (0, "the site has another account; to end the old one is the CA's")
    assert read(inventory).acme.thumbprint not in ("", first.acme.thumbprint)


def test_a_site_without_an_account_at_a_ca_says_so(deployed: Vault, run: Run) -> None:
    status, out, error = run("rotate", "acme-account")
    assert (status, out) == (1, "")
    assert "acme: the site has no account yet; set edge.tls to acme and deploy" in error


def test_a_number_that_would_open_a_trunk_is_not_stored(inventory: Path, run: Run) -> None:
    trunk = {"networks": ["198.51.100.0/24"], "secret_numbers": True}
    hosts = {"lk1": {"address": "192.0.2.11", "roles": ["livekit", "redis", "sip"]}}
    site = {"hosts": hosts, "sip": {**PHONES["sip"], "trunks": {"carrier": trunk}, "rules": {}}}
    inventory.write_text(f"from livekit_metal import load\n\nhosts = load({site!r}, __file__)\n")
    status, _, said = run("set", "sip-carrier-numbers", stdin="+4930111 *\n")
    assert status == 1
    assert "sip-carrier-numbers: word 2 of 2 is not a number" in said
    assert "+4930111" not in said
    assert not inventory.with_suffix(".secrets").exists(), "bad input changes nothing"
    assert run("set", "sip-carrier-numbers", stdin="+4930111 +4930222\n")[0] == 0
