"""ACME in a site: what is refused when the inventory is read, which names each host asks for, whose account it is."""

from __future__ import annotations

import base64
import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError
from livekit_metal.core.errors import SiteError
from livekit_metal.core.types.secret import Secret
from livekit_metal.site.model import Site
from livekit_metal.vault import certificates
from tests.support.values.sites import CLUSTER, RECORDING, SINGLE

MakeSite = Callable[[dict[str, Any]], Site]
DNS = {"challenge": "dns", "dns_provider": "hetzner"}


def data(base: dict[str, Any] = SINGLE, *, edge: dict[str, Any] | None = None, **acme: Any) -> dict[str, Any]:
    return copy.deepcopy(base) | {
        "edge": {"tls": "acme", "domain": "lk.example.org"} | (edge or {}),
        "acme": {"email": "ops@example.org"} | acme,
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (data(email=""), "acme.email: is missing; give the address that the CA may write to: its account needs one"),
        (data(email="ops"), "acme.email: is 'ops'; write an address such as ops@example.org"),
        (data(email="a/../b@x.org"), "acme.email: is 'a/../b@x.org'; write an address such as ops@example.org"),
        (
            data(directory="letsencript"),
            "acme.directory: 'letsencript' is not a CA known here; did you mean 'letsencrypt'? "
            "Or write the URL of its directory",
        ),
        (
            data(directory="http://ca.example.org/dir"),
            "acme.directory: is 'http://ca.example.org/dir'; write its URL: https://ca.example.org/acme/directory",
        ),
        (
            data(directory="https://ca.example.org/$(id)"),
            "acme.directory: is 'https://ca.example.org/$(id)'; write its URL: https://ca.example.org/acme/directory",
        ),
        (
            data(names=["*.example.org"]),
            "acme.names[0]: is a wildcard and acme.challenge is 'http'; set it to dns, or name every host: a CA gives "
            "wildcards for a record in the DNS only",
        ),
        (data(names=["a b"]), "acme.names[0]: 'a b' is not a name; write one such as '*.turn.example.org'"),
        (
            data(names=["other.example.org"]),
            "acme.names: none is for lk.example.org (lk1); add it, or leave acme.names empty",
        ),
        (data(edge={"domain": ""}), "edge.domain: is missing; give the name that the certificate is for"),
        (
            data(edge={"redirect": 8080}),
            "edge.redirect: is 8080, and a CA asks port 80; leave it at 80, or set acme.challenge to dns",
        ),
        (
            data(dns_provider="hetzner"),
            "acme.dns_provider: is set and acme.challenge is 'http'; set it to dns, or drop this",
        ),
        (data(challenge="dns"), "acme.dns_provider: is missing; say who writes the records: lego dnshelp"),
        (
            data(**DNS | {"dns_provider": "hetzer"}),
            "acme.dns_provider: lego knows no 'hetzer'; did you mean 'hetzner'?",
        ),
        (
            data(**DNS | {"dns_provider": "cloudflare"}),
            "acme.dns_provider: Debian's lego is built without 'cloudflare'; write its records by a program: 'exec' "
            "and acme.dns_hook",
        ),
        (
            data(**DNS | {"dns_provider": "exec"}),
            "acme.dns_hook: is missing and acme.dns_provider is 'exec'; "
            "name the program with the provider 'exec', and only with it",
        ),
        (
            data(**DNS, dns_hook="hook"),
            "acme.dns_hook: is set and acme.dns_provider is 'hetzner'; "
            "name the program with the provider 'exec', and only with it",
        ),
        (
            data(**DNS, dns_resolvers=["192.0.2.53"]),
            "acme.dns_resolvers[0]: '192.0.2.53' is not host:port; write it as 10.0.0.5:53 or [fd00::5]:53",
        ),
        (data(secrets=["A B"]), "acme.secrets[0]: 'A B' is not a variable; use letters, digits and _"),
        (data(environment={"LEGO_PATH": "/"}), "acme.environment: LEGO_PATH follows from other settings; drop it"),
        (
            data(environment={"TOKEN": "x"}, secrets=["TOKEN"]),
            "acme.secrets: TOKEN is also in acme.environment; drop one of them",
        ),
        (
            data(environment={"TOKEN": "x\ny"}),
            "acme.environment.TOKEN: has the character U+000A in it; write one line of plain text",
        ),
    ],
)
def test_what_no_ca_would_take_is_refused_with_its_reason(
    make_site: MakeSite, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(SiteError) as caught:
        make_site(given)
    assert str(caught.value).splitlines() == [said]


def test_files_that_cannot_be_used_are_refused(make_site: MakeSite, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(SiteError) as caught:
        make_site(data(**DNS | {"dns_provider": "exec"}, ca_file="ca.pem", dns_hook="hook"))
    assert str(caught.value).splitlines() == [
        f"acme.dns_hook: {tmp_path}/hook: No such file or directory; name a file that you may read",
        "acme.ca_file: ca.pem has no certificate in PEM; name the one of your CA",
    ]


def test_each_host_asks_for_the_names_that_lead_to_it(make_site: MakeSite) -> None:
    given = data(CLUSTER, edge={"names": ["Live.example.org"]})
    given["livekit"] = {"turn": {"domain": "{host}.turn.example.org"}}
    site = make_site(given)
    for name in site.hosts:
        acme = site.for_host(name).acme
        assert acme is not None
        assert acme.wanted
        assert acme.names_here == ("lk.example.org", "live.example.org", f"{name}.turn.example.org")
    requests = {acme.request for name in site.hosts if (acme := site.for_host(name).acme)}
    assert len(requests) == len(site.hosts)


def test_other_names_and_another_ca_are_another_request(make_site: MakeSite) -> None:
    def request(given: dict[str, Any]) -> str:
        acme = make_site(given).for_host("lk1").acme
        assert acme is not None
        return acme.request

    usual = request(data())
    assert request(data(email="other@example.org", **DNS)) == usual, "who is asked, and for what: nothing else"
    assert request(data(directory="letsencrypt-staging")) != usual
    assert request(data(edge={"names": ["live.example.org"]})) != usual


def test_wildcards_cover_what_clients_ask_for(make_site: MakeSite) -> None:
    given = data(CLUSTER, **DNS, names=["*.example.org", "{host}.turn.example.org"])
    given["livekit"] = {"turn": {"domain": "{host}.turn.example.org"}}
    acme = make_site(given).for_host("lk2").acme
    assert acme is not None
    assert acme.names_here == ("*.example.org", "lk2.turn.example.org")
    assert acme.host_names == ("lk.example.org", "lk2.turn.example.org")
    assert acme.got.endswith("/_.example.org"), "as lego calls its file"


def test_the_account_is_the_sites_and_stays(make_site: MakeSite, tmp_path: Path) -> None:
    first = make_site(data(CLUSTER))
    assert first.vault is not None
    first.vault.persist()
    again = make_site(data(CLUSTER))
    assert again.acme.thumbprint == first.acme.thumbprint != ""
    assert again.acme.account == first.acme.account
    assert {edge.acme.thumbprint for n in again.hosts if (edge := again.for_host(n).edge) and edge.acme} == {
        first.acme.thumbprint
    }
    assert first.acme.account is not None
    key = first.acme.account.reveal()
    assert key.startswith("-----BEGIN EC PRIVATE KEY-----"), "lego reads no other"
    assert key.splitlines()[1] not in (tmp_path / "test.secrets").read_text()
    assert key not in repr(first)


def test_with_a_record_in_the_dns_nobody_is_answered_over_http(make_site: MakeSite) -> None:
    edge = make_site(data(**DNS)).for_host("lk1").edge
    assert edge is not None
    assert edge.acme is not None
    assert edge.acme.thumbprint == ""


def test_a_password_that_nobody_has_stored_is_missed(make_site: MakeSite) -> None:
    given = data(**DNS, secrets=["HETZNER_API_KEY"])
    site = make_site(given)
    assert site.acme.missing == ("acme-HETZNER_API_KEY",)
    assert site.vault is not None
    site.vault.set_password("acme-HETZNER_API_KEY", "word")
    site.vault.persist()
    there = make_site(given).acme
    assert there.missing == ()
    assert there.variables == {"HETZNER_API_KEY": "word"}


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    """Of the key in RFC 7517, A.2; what it is known by is what jose implementations agree on."""
    number = int.from_bytes(base64.urlsafe_b64decode("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE="))
    key = ec.derive_private_key(number, ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert certificates.thumbprint(Secret("key", pem)) == "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"


def test_clients_come_by_name_and_trust_what_they_are_told(make_site: MakeSite, tmp_path: Path) -> None:
    ca = certificates.authority("ca", "test", time.time())
    (tmp_path / "ca.pem").write_text(ca.chain)
    site = make_site(data(CLUSTER, directory="https://ca.example.org/dir", ca_file="ca.pem"))
    assert site.vault is not None
    site.vault.persist()
    access = Access.of(site)
    assert (access.url, access.ca_file) == ("wss://lk.example.org", str(tmp_path / "ca.pem"))
    with pytest.raises(CallError, match="no URL leads to lk2 alone"):
        access.through("lk2")
    assert make_site(data(CLUSTER)).ca_file is None


def test_without_acme_there_is_no_account(make_site: MakeSite) -> None:
    site = make_site(copy.deepcopy(SINGLE))
    acme = site.for_host("lk1").acme
    assert acme is not None
    assert not acme.wanted
    assert site.acme.account is None


def test_a_host_gets_what_gets_certificates_where_clients_come_only(
    certified: Site, make_site: MakeSite, single: Site
) -> None:
    base = certified.for_host("lk1").base
    assert "lego" in base.needed
    assert {"livekit-acme.service", "livekit-acme.timer"} <= set(base.daemons)
    assert "livekit-acme" in base.users
    assert "lego" not in single.for_host("lk1").base.needed
    given = data(CLUSTER)
    given["hosts"]["rec"] = {"address": "192.0.2.21", "cluster": "10.0.0.21", "roles": ["egress"]}
    given["egress"] = RECORDING
    stack = make_site(given).for_host("rec")
    assert "lego" not in stack.base.needed
    assert stack.acme is not None
    assert not stack.acme.wanted
