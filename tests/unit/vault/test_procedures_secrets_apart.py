"""Verbs of ``python -m procedures.secrets`` for a CA, another key and two files: what they print and refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from livekit_metal.site.inventory import read
from livekit_metal.vault.vault import Vault
from tests.unit.conftest import INVENTORY, Run, next_step, reopened


@pytest.fixture
def with_ca(inventory: Path) -> Path:
    """A deployed site with a CA of its own: the file that its clients trust."""
    inventory.write_text(INVENTORY.replace("}, __file__)", ", 'edge': {'tls': 'internal'}}, __file__)"))
    site = read(inventory)
    assert site.vault is not None
    site.vault.persist()
    return inventory.with_name("prod.ca.pem")


def test_a_ca_goes_through_its_life(run: Run, with_ca: Path, inventory: Path) -> None:
    """The commands are those that the operator is told."""
    old, command = with_ca.read_text(), f"python -m procedures.secrets {inventory} retire ca"
    status, out, _ = run("rotate", "ca")
    assert status == 0
    assert out == (
        f"{with_ca} has another CA besides; certificates still come from the old one\n"
        f"when all clients trust that file: {command}\n{next_step(inventory)}"
    )
    assert (with_ca.read_text().count("BEGIN"), with_ca.read_text().startswith(old)) == (2, True)
    status, out, _ = run("retire", "ca")
    assert status == 0
    assert out == (
        "certificates come from the new CA with the next deploy; the key of the old one is gone\n"
        f"when every host is deployed, to end the trust in the old one: {command}\n{next_step(inventory)}"
    )
    assert with_ca.read_text().count("BEGIN") == 2
    status, out, _ = run("retire", "ca")
    assert (status, out.splitlines()[0]) == (
        0,
        f"{with_ca} has the new CA alone; clients that take it trust the old one no longer",
    )
    assert (with_ca.read_text().count("BEGIN"), old in with_ca.read_text()) == (1, False)
    status, _, error = run("retire", "ca")
    assert (status, error.partition(";")[0]) == (1, "edge.tls: the site has one CA")


def test_rotating_a_ca_that_is_not_there_says_so(run: Run, deployed: Vault) -> None:
    before = deployed.path.read_bytes()
    assert run("rotate", "ca")[2].startswith("edge.tls: the site has no CA of its own; ")
    assert run("retire", "ca")[2].startswith("edge.tls: the site has no CA of its own; ")
    assert deployed.path.read_bytes() == before


def test_rekey_says_where_the_key_is(run: Run, deployed: Vault, inventory: Path, tmp_path: Path) -> None:
    status, out, err = run("rekey")
    assert (status, err) == (0, "")
    assert str(tmp_path / "config" / "livekit-metal" / "prod.key") in out
    assert out.endswith("no deploy is needed: hosts do not know the key\n")
    assert reopened(inventory).api_keys == deployed.api_keys


def test_unite_says_what_it_did(run: Run, deployed: Vault, inventory: Path) -> None:
    other = inventory.with_name("other.secrets")
    other.write_bytes(deployed.path.read_bytes())
    assert run("unite", str(other)) == (0, f"{other} has the same secrets, nothing was written\n", "")
    theirs = deployed.another(other)
    new = theirs.rotate_api_key()
    theirs.persist()
    status, out, _ = run("unite", str(other))
    assert (status, out) == (
        0,
        f"{deployed.path} now has what both have, as serial 3\nAPI key {new} came in\n"
        f"the current API key is {new}\n{next_step(inventory)}",
    )
    assert list(reopened(inventory).api_keys) == [new, deployed.api_key]


def test_unite_refuses_what_is_not_there(run: Run, deployed: Vault, tmp_path: Path) -> None:
    fact = f"there is no {tmp_path}/x.secrets"
    message = f"secrets: {fact}; name another copy of this site's secrets file\n"
    assert run("unite", f"{tmp_path}/x.secrets") == (1, "", message)
