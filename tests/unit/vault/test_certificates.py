"""Certificates: what a CA of the site's own makes, judged by OpenSSL; when a leaf is made again; its names."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from pathlib import Path

import pytest

from livekit_metal.vault import certificates
from livekit_metal.vault.certificate import DAY, Certificate

NOW = time.time()
NAMES = ("lk.example.org", "192.0.2.11", "2001:db8::11")


@pytest.fixture
def ca() -> Certificate:
    return certificates.authority("tls-ca", "livekit-metal CA of test", NOW)


@pytest.fixture
def leaf(ca: Certificate) -> Certificate:
    return certificates.leaf(ca, "tls-lk1", NAMES, 90, NOW)


def openssl(tmp_path: Path, ca: Certificate, leaf: Certificate, *words: str) -> str:
    (tmp_path / "ca.pem").write_text(ca.chain)
    (tmp_path / "leaf.pem").write_text(leaf.chain)
    command = ["openssl", "verify", "-x509_strict", "-CAfile", tmp_path / "ca.pem", *words, tmp_path / "leaf.pem"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize(
    "asked", [("-verify_hostname", "LK.example.org"), ("-verify_ip", "192.0.2.11"), ("-verify_ip", "2001:db8::11")]
)
def test_openssl_takes_a_leaf_for_its_names(
    tmp_path: Path, ca: Certificate, leaf: Certificate, asked: tuple[str, str]
) -> None:
    assert openssl(tmp_path, ca, leaf, "-purpose", "sslserver", *asked) == ""


@pytest.mark.parametrize("asked", [("-verify_hostname", "lk.example.com"), ("-verify_ip", "192.0.2.12")])
def test_openssl_refuses_it_for_others_and_from_another_ca(
    tmp_path: Path, ca: Certificate, leaf: Certificate, asked: tuple[str, str]
) -> None:
    assert "mismatch" in openssl(tmp_path, ca, leaf, *asked)
    assert openssl(tmp_path, certificates.authority("tls-ca", "livekit-metal CA of test", NOW), leaf) != ""


def test_a_leaf_cannot_sign(tmp_path: Path, ca: Certificate, leaf: Certificate) -> None:
    below = certificates.leaf(leaf, "tls-evil", ("evil.example.org",), 90, NOW)
    chained = dataclasses.replace(below, chain=below.chain + leaf.chain)
    (tmp_path / "leaf2.pem").write_text(leaf.chain)
    assert "invalid CA" in openssl(tmp_path, ca, chained, "-untrusted", str(tmp_path / "leaf2.pem"))


def test_a_leaf_lives_as_long_as_asked_but_not_longer_than_its_ca(ca: Certificate) -> None:
    assert certificates.leaf(ca, "tls", NAMES, 90, NOW).days_left(NOW) == 89
    late = NOW + (certificates.CA_DAYS - 10) * DAY
    assert certificates.leaf(ca, "tls", NAMES, 90, late).not_after == ca.not_after


def test_a_leaf_goes_on_until_a_third_of_its_life_is_left(ca: Certificate, leaf: Certificate) -> None:
    begun = leaf.not_before
    assert certificates.serves(leaf, ca, NAMES, 90, begun + 60 * DAY)
    assert not certificates.serves(leaf, ca, NAMES, 90, begun + 60 * DAY + 1)


@pytest.mark.parametrize(("names", "days"), [((*NAMES, "more.example.org"), 90), (NAMES[:1], 90), (NAMES, 91)])
def test_a_leaf_is_made_anew_for_other_names_or_another_life(
    ca: Certificate, leaf: Certificate, names: tuple[str, ...], days: int
) -> None:
    assert certificates.serves(leaf, ca, reversed(NAMES), 90, NOW), "the order does not count"
    assert not certificates.serves(leaf, ca, names, days, NOW)


def test_a_leaf_of_another_ca_is_made_anew(leaf: Certificate) -> None:
    other = certificates.authority("tls-ca", "livekit-metal CA of test", NOW)
    assert not certificates.serves(leaf, other, NAMES, 90, NOW)


@pytest.mark.parametrize(
    ("names", "asked", "covered"),
    [
        (("*.example.org",), "lk.example.org", True),
        (("*.example.org",), "a.lk.example.org", False),
        (("*.example.org",), "example.org", False),
        (("*.0.2.11",), "192.0.2.11", False),
        (("LK.Example.org",), "lk.example.ORG", True),
        ((), "lk.example.org", False),
    ],
)
def test_names_are_matched_as_clients_do(
    leaf: Certificate, names: tuple[str, ...], asked: str, *, covered: bool
) -> None:
    assert dataclasses.replace(leaf, names=names).covers(asked) == covered


def test_what_haproxy_reads_prints_as_a_secret(leaf: Certificate) -> None:
    key = leaf.pem.reveal().splitlines()[2]
    assert key not in f"{leaf!r} {leaf.pem!r}"
    assert "Secret(tls-lk1)" in repr(leaf)
