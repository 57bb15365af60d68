"""Which certificate a site's edges serve: files of the operator, refused with their reason, and the site's own CA."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from livekit_metal.call.access import Access
from livekit_metal.core.errors import SiteError
from livekit_metal.site.model import Site
from livekit_metal.vault import certificates
from livekit_metal.vault.certificate import DAY, Certificate
from tests.support.values.sites import CLUSTER, SINGLE, streaming

NOW = float(int(time.time()) // 86_400 * 86_400)  # test ids are the same in every process of a day
NAME = "lk.example.org"
MakeSite = Callable[[dict[str, Any]], Site]
PROVIDED = {"tls": "provided", "domain": NAME, "certificate": "lk.pem", "key": "lk.key"}


def provided(directory: Path, made: Certificate, name: str = "lk") -> None:
    (directory / f"{name}.pem").write_text(made.chain)
    (directory / f"{name}.key").write_text(made.key.reveal())


def made(*names: str, days: int = 90, at: float = NOW) -> Certificate:
    return certificates.leaf(certificates.authority("ca", "test", at), "tls", names or (NAME,), days, at)


def single(**edge: Any) -> dict[str, Any]:
    return copy.deepcopy(SINGLE) | {"edge": edge}


def refusals(make_site: MakeSite, data: dict[str, Any]) -> list[str]:
    with pytest.raises(SiteError) as caught:
        make_site(data)
    return str(caught.value).splitlines()


def test_a_provided_pair_is_served_as_it_is(make_site: MakeSite, tmp_path: Path) -> None:
    mine = made("*.example.org")
    provided(tmp_path, mine)
    site = make_site(single(**PROVIDED))
    edge = site.for_host("lk1").edge
    assert edge is not None
    assert edge.served is not None
    assert edge.served.chain == mine.chain
    assert site.ca_file is None


def test_each_host_may_have_a_certificate_of_its_own(make_site: MakeSite, tmp_path: Path) -> None:
    for host in CLUSTER["hosts"]:
        provided(tmp_path, made(NAME, f"{host}.example.org"), f"{host}-tls")
    edge = PROVIDED | {"certificate": "{host}-tls.pem", "key": "{host}-tls.key"}
    site = make_site(copy.deepcopy(CLUSTER) | {"edge": edge})
    assert {host: served.names[1] for host, served in site.served.items()} == {
        host: f"{host}.example.org" for host in CLUSTER["hosts"]
    }


def test_a_pair_that_is_none_is_refused(make_site: MakeSite, tmp_path: Path) -> None:
    provided(tmp_path, made())
    (tmp_path / "lk.key").write_text(made().key.reveal())
    said = "certificate and key are no pair; give the key that the certificate was made for"
    assert refusals(make_site, single(**PROVIDED)) == [f"edge.certificate: {tmp_path}/lk.pem {said}"]


def test_a_chain_in_the_wrong_order_is_refused(make_site: MakeSite, tmp_path: Path) -> None:
    ca = certificates.authority("ca", "test", NOW)
    mine = certificates.leaf(ca, "tls", (NAME,), 90, NOW)
    provided(tmp_path, mine)
    (tmp_path / "lk.pem").write_text(ca.chain + mine.chain)
    (said,) = refusals(make_site, single(**PROVIDED))
    assert said.endswith("its key belongs to another certificate of the file; write that one first")


@pytest.mark.parametrize(
    ("days", "at", "said"),
    [
        (30, NOW - 40 * DAY, "ended on {ends}; get a new one from your CA"),
        (30, NOW + 2 * DAY, "is not valid yet; see this machine's clock, or wait"),
    ],
)
def test_a_certificate_of_another_time_is_refused(
    make_site: MakeSite, tmp_path: Path, days: int, at: float, said: str
) -> None:
    mine = made(days=days, at=at)
    provided(tmp_path, mine)
    expected = f"edge.certificate: {tmp_path}/lk.pem {said.format(ends=mine.ends)}"
    assert refusals(make_site, single(**PROVIDED)) == [expected]


def test_a_certificate_for_another_name_is_refused(make_site: MakeSite, tmp_path: Path) -> None:
    provided(tmp_path, made("other.example.org"))
    (one, two) = refusals(make_site, single(**PROVIDED, names=["live.example.org"]))
    assert one == (
        f"edge.certificate: {tmp_path}/lk.pem is not for {NAME} (it is for other.example.org); "
        "get a new one from your CA that names it too"
    )
    assert "is not for live.example.org" in two


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("lk.pem", None, "edge.certificate: {file}: No such file or directory; name a file that you may read"),
        ("lk.key", None, "edge.key: {file}: No such file or directory; name a file that you may read"),
        ("lk.pem", b"hello", "edge.certificate: {file} has no certificate in PEM; "),
        ("lk.key", b"hello", "edge.certificate: {pem} has no private key in PEM; "),
        ("lk.key", b"\xff\xfe", "edge.key: {file} is not text; "),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    make_site: MakeSite, tmp_path: Path, file: str, text: bytes | None, said: str
) -> None:
    provided(tmp_path, made())
    (tmp_path / file).unlink() if text is None else (tmp_path / file).write_bytes(text)
    (line,) = refusals(make_site, single(**PROVIDED))
    assert line.startswith(said.format(file=tmp_path / file, pem=tmp_path / "lk.pem"))


def test_keys_that_would_serve_nobody_are_refused(make_site: MakeSite, tmp_path: Path) -> None:
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    provided(tmp_path, made())
    locked = serialization.BestAvailableEncryption(b"secret")
    key = rsa.generate_private_key(65537, 2048).private_bytes(pem, pkcs8, locked)
    (tmp_path / "lk.key").write_bytes(key)
    assert "its key is encrypted; write it without a passphrase" in refusals(make_site, single(**PROVIDED))[0]
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(pem, pkcs8, serialization.NoEncryption())
    (tmp_path / "lk.key").write_bytes(key)
    assert "its key is neither ECDSA nor RSA; clients know no other" in refusals(make_site, single(**PROVIDED))[0]


@pytest.mark.parametrize(
    ("edge", "said"),
    [
        ({"tls": "provided", "domain": NAME, "key": "k"}, "edge.certificate: is missing; name the file"),
        ({"tls": "provided", "certificate": "c", "key": "k"}, "edge.domain: is missing; give the name"),
        ({"certificate": "c"}, "edge.certificate: is set and edge.tls is 'off'; set tls to provided, or drop it"),
        ({"tls": "internal", "domain": "localhost"}, "edge.domain: 'localhost' is not a name for clients; "),
        ({"tls": "internal", "names": ["10.0.0.1"]}, "edge.names[0]: '10.0.0.1' is not a name for clients; "),
        ({"tls": "internal", "certificate_days": 826}, "edge.certificate_days: is 826; choose 2 to 825"),
        ({"tls": "internal", "https": 7880}, "edge.https: edge/https (tcp 7880) overlaps edge/http"),
    ],
)
def test_settings_that_do_not_fit_are_refused(make_site: MakeSite, edge: dict[str, Any], said: str) -> None:
    assert any(line.startswith(said) for line in refusals(make_site, single(**edge)))


@pytest.mark.parametrize("tls", ["internal", "provided"])
def test_an_edge_that_only_takes_streams_has_a_certificate_too(make_site: MakeSite, tmp_path: Path, tls: str) -> None:
    """Clients send WHIP to it. It has no TURN, so its certificate needs no name for that."""
    provided(tmp_path, made(NAME, "lk1.turn.example.org"))
    data = streaming(single(**(PROVIDED if tls == "provided" else {"tls": tls, "domain": NAME})))
    data["livekit"] = {"turn": {"domain": "{host}.turn.example.org"}}
    data["hosts"]["in1"] = {"address": "192.0.2.21", "roles": ["ingress"]}
    data["hosts"]["lk1"]["cluster"], data["hosts"]["in1"]["cluster"] = "10.0.0.11", "10.0.0.21"
    edge = make_site(data).for_host("in1").edge
    assert edge is not None
    assert edge.serves_tls
    assert edge.served is not None
    assert edge.served.covers(NAME)


def test_the_sites_own_ca_and_leaves_stay_the_same(make_site: MakeSite, tmp_path: Path) -> None:
    data = copy.deepcopy(CLUSTER) | {"edge": {"tls": "internal", "domain": NAME}}
    first = make_site(data)
    assert first.vault is not None
    assert not (tmp_path / "test.ca.pem").exists(), "nothing is written before the first change"
    first.vault.persist()
    again = make_site(data)
    assert again.served == first.served
    assert again.served["lk2"].names == (NAME, "192.0.2.12")
    ca = (tmp_path / "test.ca.pem").read_text()
    for served in again.served.values():
        assert "BEGIN CERTIFICATE" in ca
        assert ca not in served.chain
        assert served.key != again.served["lk1"].key or served is again.served["lk1"]
    assert not [v for v in first.vault.every_value() if v in ca]
    assert not [v for v in first.vault.every_value() if v in (tmp_path / "test.secrets").read_text()]


def test_only_the_host_that_changed_gets_another_leaf(make_site: MakeSite) -> None:
    data = copy.deepcopy(CLUSTER) | {"edge": {"tls": "internal", "domain": NAME}}
    data["hosts"]["lk2"]["public"] = "10.0.1.2"
    first = make_site(data)
    assert first.vault is not None
    first.vault.persist()
    data["hosts"]["lk2"]["public"] = "10.0.1.3"  # the CA may sign for any private address where there was one
    again = make_site(data)
    assert {host for host, served in again.served.items() if served != first.served[host]} == {"lk2"}


def test_a_client_is_told_what_to_ask_and_whom_to_trust(make_site: MakeSite, tmp_path: Path) -> None:
    edge = {"tls": "internal", "domain": NAME, "https": 8443, "path_prefix": "/livekit"}
    site = make_site(copy.deepcopy(CLUSTER) | {"edge": edge})
    assert site.vault is not None
    site.vault.persist()
    access = Access.of(site)
    assert (access.url, access.ca_file) == (f"wss://{NAME}:8443/livekit", str(tmp_path / "test.ca.pem"))
    assert access.through("lk2") == "wss://192.0.2.12:8443/livekit"
    provided(tmp_path, made())
    other = Access.of(make_site(copy.deepcopy(CLUSTER) | {"edge": PROVIDED}))
    assert (other.url, other.ca_file, other.hosts["lk2"].url) == (f"wss://{NAME}", None, None)
