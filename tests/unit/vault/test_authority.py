"""The site's own CA: what it may sign, judged by OpenSSL, and how clients come from one CA to the next."""

from __future__ import annotations

import copy
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.roles.edge import authority
from livekit_metal.roles.edge import certificates as tls
from livekit_metal.site.model import Site
from livekit_metal.vault import certificates
from livekit_metal.vault.certificate import Certificate
from livekit_metal.vault.vault import Vault
from tests.support.values.sites import CLUSTER, SINGLE

NAME = "lk.example.org"
NOW = time.time()
MakeSite = Callable[[dict[str, Any]], Site]


def internal(**edge: Any) -> dict[str, Any]:
    return copy.deepcopy(CLUSTER) | {"edge": {"tls": "internal", "domain": NAME, **edge}}


def deployed(make_site: MakeSite, data: dict[str, Any]) -> Site:
    """The site once its secrets are on disk."""
    site = make_site(data)
    assert site.vault is not None
    site.vault.persist()
    return site


def vault_of(site: Site) -> Vault:
    assert site.vault is not None
    return site.vault.as_saved()


def takes(tmp_path: Path, trusted: str, leaf: Certificate, *asked: str) -> str:
    """What OpenSSL has against ``leaf``, as a client that trusts ``trusted``."""
    (tmp_path / "trusted.pem").write_text(trusted)
    (tmp_path / "leaf.pem").write_text(leaf.chain)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", tmp_path / "trusted.pem"]
    done = subprocess.run([*command, *asked, tmp_path / "leaf.pem"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def stolen(site: Site, names: Iterable[str]) -> Certificate:
    """A leaf that whoever has the CA's key makes."""
    ca = authority.signing(vault_of(site), site, NOW)
    return certificates.leaf(ca, "tls-evil", names, 90, NOW)


@pytest.mark.parametrize(
    "name",
    ["www.example.org", "example.org", "lk.example.com", "198.51.100.7", "10.1.2.3", "2001:db8::1"],
)
def test_clients_refuse_what_the_ca_signs_for_others(make_site: MakeSite, tmp_path: Path, name: str) -> None:
    site = deployed(make_site, internal())
    said = takes(tmp_path, authority.trusted(vault_of(site)), stolen(site, [name]))
    assert "permitted subtree violation" in said
    assert not certificates.permits(authority.signing(vault_of(site), site, NOW), name)


def test_a_ca_of_a_site_without_names_signs_for_none(make_site: MakeSite, tmp_path: Path) -> None:
    site = deployed(make_site, copy.deepcopy(SINGLE) | {"edge": {"tls": "internal"}})
    trusted = authority.trusted(vault_of(site))
    assert "permitted subtree violation" in takes(tmp_path, trusted, stolen(site, ["www.example.org"]))
    assert takes(tmp_path, trusted, site.served["lk1"], "-verify_ip", "192.0.2.11") == ""


@pytest.mark.parametrize("turn", ["{host}.turn.example.org", "turn-{host}.example.net", "{host}turn.example.org"])
def test_clients_take_what_the_site_serves(make_site: MakeSite, tmp_path: Path, turn: str) -> None:
    data = internal(names=["other.example.com"]) | {"livekit": {"turn": {"domain": turn}}}
    data["hosts"]["lk2"]["ipv6"] = "2001:db8::12"
    site = deployed(make_site, data)
    trusted = authority.trusted(vault_of(site))
    for host, leaf in site.served.items():
        for name in (*tls.names(site, host), site.hosts[host].public_address):
            kind = "-verify_hostname" if name[-1].isalpha() else "-verify_ip"
            assert takes(tmp_path, trusted, leaf, kind, name) == "", (host, name)
    assert takes(tmp_path, trusted, site.served["lk2"], "-verify_ip", "2001:db8::12") == ""
    assert [tls.unsigned(site, host) for host in site.hosts] == [(), (), ()]


def test_a_rotation_leaves_no_client_behind(make_site: MakeSite, tmp_path: Path) -> None:
    first = deployed(make_site, internal())
    file = tmp_path / "test.ca.pem"
    old = file.read_text()
    vault = vault_of(first)
    authority.rotate(vault, first)
    vault.persist()
    both = file.read_text()
    assert both.startswith(old)
    assert both.count("BEGIN") == 2
    between = deployed(make_site, internal())
    assert between.served == first.served, "edges go on as they are: clients with the old file take nothing else"
    assert [problem.path for problem in between.words] == ["edge.tls"]

    vault = vault_of(between)
    authority.retire(vault)
    vault.persist()
    after = deployed(make_site, internal())
    assert sorted(file.read_text().split("-----BEGIN")) == sorted(both.split("-----BEGIN"))
    for host in after.hosts:
        assert takes(tmp_path, both, after.served[host], "-verify_hostname", NAME) == ""
        assert takes(tmp_path, file.read_text(), first.served[host]) == "", "a host that is not deployed yet"
        assert takes(tmp_path, old, after.served[host]) != ""

    vault = vault_of(after)
    authority.retire(vault)
    vault.persist()
    alone = file.read_text()
    assert alone.count("BEGIN") == 1
    assert takes(tmp_path, alone, after.served["lk1"]) == ""
    assert takes(tmp_path, alone, first.served["lk1"]) != ""
    last = deployed(make_site, internal())
    assert (last.served, last.words) == (after.served, ())


def test_the_key_of_a_retired_ca_is_gone(make_site: MakeSite) -> None:
    site = deployed(make_site, internal())
    old = authority.signing(vault_of(site), site, NOW).key.reveal().splitlines()[2]
    vault = vault_of(site)
    authority.rotate(vault, site)
    assert old in vault.every_value()
    authority.retire(vault)
    vault.persist()
    assert old in vault.every_value(), "what this run retired must not show either"
    assert old not in vault.as_saved().every_value()


def test_steps_out_of_order_are_refused(make_site: MakeSite) -> None:
    site = deployed(make_site, internal())
    vault = vault_of(site)
    with pytest.raises(SiteError, match=r"edge.tls: the site has one CA; make another first: .* rotate ca"):
        authority.retire(vault)
    authority.rotate(vault, site)
    with pytest.raises(SiteError, match=r"a new CA is trusted besides, and signs nothing yet; .* retire ca"):
        authority.rotate(vault, site)
    authority.retire(vault)
    with pytest.raises(SiteError, match=r"still has the previous CA; .* retire ca"):
        authority.rotate(vault, site)


def unconstrained(site: Site) -> None:
    """Give the site the CA that an earlier version made."""
    vault = vault_of(site)
    old = certificates.authority("tls-ca", "livekit-metal CA of test", NOW)
    vault.keep("tls-ca", lambda _: old.pem)
    vault.persist()


def test_a_ca_of_an_earlier_version_goes_on_and_a_note_says_what_to_do(make_site: MakeSite) -> None:
    unconstrained(deployed(make_site, internal()))
    site = deployed(make_site, internal(names=["more.example.com"]))
    assert site.served["lk1"].covers("more.example.com")
    (problem,) = site.for_host("lk1").preflight.words
    assert str(problem).startswith("edge.tls: whoever gets the key of the site's CA signs any name with it")
    assert problem.remedy.endswith("rotate ca")
    assert site.for_host("lk2").preflight.words == (), "once is enough"


def test_a_name_that_the_ca_may_not_sign_can_be_had_by_a_rotation(make_site: MakeSite) -> None:
    deployed(make_site, internal())
    data = internal(names=["more.example.com"])
    data["hosts"]["lk2"]["address"] = "198.51.100.2"
    site = make_site(data)
    assert tls.unsigned(site, "lk2") == ("more.example.com", "198.51.100.2")
    assert site.served["lk2"].names == (NAME,)
    vault = vault_of(site)
    authority.rotate(vault, site)
    authority.retire(vault)
    vault.persist()
    again = make_site(data)
    assert tls.unsigned(again, "lk2") == ()
    assert again.served["lk2"].covers("more.example.com")
