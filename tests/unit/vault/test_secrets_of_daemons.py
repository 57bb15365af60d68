"""The API key of the daemons beside livekit-server: made for every site, used at once or when told to."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from livekit_metal.call.access import Access
from livekit_metal.core.errors import SiteError
from livekit_metal.runtime.slots.components import components
from livekit_metal.site.model import Site
from livekit_metal.vault.document import Document
from livekit_metal.vault.vault import Vault
from tests.support.values.sites import PHONES, RECORDING, SINGLE, streaming
from tests.unit.conftest import Run, next_step, reopened

MakeSite = Callable[[dict[str, Any]], Site]
RELEASE = "/opt/x/1-abc"
SEPARATE = "python -m procedures.secrets INVENTORY separate daemons"


@pytest.fixture
def data() -> dict[str, Any]:
    """A site of one host with each of the daemons."""
    found = streaming(copy.deepcopy(SINGLE | PHONES) | {"egress": RECORDING})
    found["hosts"]["lk1"]["roles"] += ["egress", "sip"]
    found["livekit"] = {"webhooks": ["https://app.example.org/hook"]}
    return found


@pytest.fixture
def of_before(data: dict[str, Any], make_site: MakeSite) -> dict[str, Any]:
    """The same, whose secrets file is of a version that knew no key of daemons."""
    vault = vault_of(make_site(data))
    values = json.loads(vault._document.text.reveal())
    del values["passwords"]["daemons"], values["apart"]
    vault._document = Document.parse(json.dumps(values))
    vault.persist()
    return data


def vault_of(site: Site) -> Vault:
    assert site.vault is not None
    return site.vault


def keys(site: Site) -> dict[str, tuple[str, str]]:
    """The API key and secret that the files of each daemon have."""
    found = {}
    for role, each in components(site.for_host("lk1")).items():
        if role == "livekit":
            continue
        files = {f.path.rsplit("/", 1)[1]: f.text for f in each.generation(RELEASE)[1]}
        config = yaml.safe_load(files[f"{each.settings.slots[0]}.yaml"])
        found[role] = (config["api_key"], config["api_secret"])
    return found


def known(site: Site) -> dict[str, str]:
    """keys.yaml of livekit-server."""
    livekit = components(site.for_host("lk1"))["livekit"]
    (text,) = [f.text for f in livekit.generation(RELEASE)[1] if f.path.endswith("/keys.yaml")]
    found: dict[str, str] = yaml.safe_load(text)
    return found


def theirs(vault: Vault) -> dict[str, str]:
    return {k: s.reveal() for k, s in vault.daemon_keys.items()}


def test_in_a_new_site_the_daemons_use_their_own_and_applications_theirs(
    data: dict[str, Any], make_site: MakeSite
) -> None:
    site = make_site(data)
    vault = vault_of(site)
    ((key, secret),) = theirs(vault).items()
    assert keys(site) == dict.fromkeys(("egress", "ingress", "sip"), (key, secret))
    assert known(site) == {vault.api_key: vault.api_secret.reveal(), key: secret}
    assert (key, secret) != (vault.api_key, vault.api_secret.reveal())
    vault.persist()
    assert Access.of(site).api_key == vault.api_key
    assert not [note for note in site.for_host("lk1").preflight.notes if note.path == "secrets"]


def test_in_a_site_of_before_the_daemons_go_on_with_the_same_key(
    of_before: dict[str, Any], make_site: MakeSite
) -> None:
    site = make_site(of_before)
    vault = vault_of(site)
    assert keys(site) == dict.fromkeys(("egress", "ingress", "sip"), (vault.api_key, vault.api_secret.reveal()))
    assert known(site) == {vault.api_key: vault.api_secret.reveal()} | theirs(vault)
    assert len(known(site)) == 2
    (note,) = [note for note in site.for_host("lk1").preflight.notes if note.path == "secrets"]
    assert str(note) == (
        "secrets: egress, ingress, sip use the applications' API key; "
        f"when every host is deployed, give them their own: {SEPARATE}"
    )


def test_a_site_of_before_separates_when_told_to_and_back(of_before: dict[str, Any], make_site: MakeSite) -> None:
    vault = vault_of(make_site(of_before))
    with pytest.raises(SiteError, match="have no API key of their own yet; deploy: that makes it"):
        vault.as_saved().separate()
    vault.persist()  # a deploy
    with_key = vault.state.serial
    vault.separate()
    vault.persist()
    site = make_site(of_before)
    again = vault_of(site)
    ((key, secret),) = theirs(again).items()
    assert theirs(again) == theirs(vault)
    assert keys(site) == dict.fromkeys(("egress", "ingress", "sip"), (key, secret))
    assert again.apart == with_key == again.state.serial - 1
    preflight = site.for_host("lk1").preflight
    assert (preflight.apart, preflight.first_apart) == (with_key, with_key)
    with pytest.raises(SiteError, match="have an API key of their own"):
        again.separate()
    again.join()
    again.persist()
    assert set(keys(make_site(of_before)).values()) == {(again.api_key, again.api_secret.reveal())}


def test_of_two_files_the_newer_says_whether_they_are_apart(of_before: dict[str, Any], make_site: MakeSite) -> None:
    vault = vault_of(make_site(of_before))
    vault.persist()
    older, newer = vault.as_saved(), vault.as_saved()
    newer.separate()
    newer._document.follow(newer.state, newer.state.serial + 1)
    assert "the daemons beside livekit-server use their own" in older.unite(newer)
    assert older.apart == newer.apart
    assert older.daemon_keys == newer.daemon_keys


def test_webhooks_are_signed_with_the_applications_key(data: dict[str, Any], make_site: MakeSite) -> None:
    site = make_site(data)
    livekit = site.for_host("lk1").livekit
    assert livekit is not None
    config = livekit.config(livekit.slots[0])
    assert config["webhook"]["api_key"] == vault_of(site).api_key


def test_their_key_rotates_with_an_overlap_and_leaves_the_applications_alone(
    data: dict[str, Any], make_site: MakeSite
) -> None:
    vault = vault_of(make_site(data))
    vault.persist()
    (old,) = theirs(vault)
    applications = dict(vault.api_keys)
    vault.rotate_password("daemons")
    vault.persist()
    site = make_site(data)
    new = next(iter(theirs(vault_of(site))))
    assert {key for key, _ in keys(site).values()} == {new}
    assert known(site).keys() == {*applications, new, old}
    vault.retire_password("daemons")
    vault.persist()
    site = make_site(data)
    assert known(site).keys() == {*applications, new}
    assert vault_of(site).api_keys == applications


def test_without_daemons_nothing_is_said(make_site: MakeSite) -> None:
    vault = vault_of(site := make_site(copy.deepcopy(SINGLE)))
    vault._document.apart = None
    assert site.for_host("lk1").preflight.notes == ()


def test_the_verbs(run: Run, deployed: Vault, inventory: Path) -> None:
    deployed._document.apart = None
    deployed.persist()
    said = "daemons: have no API key of their own yet; deploy: that makes it and tells every node\n"
    assert run("separate", "daemons") == (1, "", said)
    again = reopened(inventory)
    (old,) = again.daemon_keys
    again.persist()
    status, out, _ = run("separate", "daemons")
    assert (status, out) == (
        0,
        "the daemons beside livekit-server will use an API key of their own; the applications' stays theirs\n"
        "before a roll back to a livekit-server that does not know it yet: "
        f"python -m procedures.secrets {inventory} join daemons\n{next_step(inventory)}",
    )
    assert reopened(inventory).used_by_daemons[0] == old
    status, out, _ = run("rotate", "daemons")
    assert out.startswith("the daemons beside livekit-server have another API key; the previous one stays valid\n")
    assert f"{inventory} retire daemons\n" in out
    assert list(reopened(inventory).daemon_keys)[1:] == [old]
    assert run("retire", "daemons")[1].startswith("the previous API key of the daemons beside livekit-server ends\n")
    assert run("join", "daemons")[1].startswith(
        "the daemons beside livekit-server will use the applications' API key\n"
    )
    assert run("join", "daemons")[0] == 1
    assert reopened(inventory).used_by_daemons[0] == reopened(inventory).api_key
