"""Certificates of the edge: what an operator provides, checked, and what a CA of the site's own makes.

Contract: pure functions of bytes and a time; nothing is read, written or connected to here. The key of the CA stays in
the vault and reaches no host.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from livekit_metal.core.types.secret import Secret
from livekit_metal.vault.certificate import DAY, Address, Certificate, address

CA_DAYS = 3650
_RENEW = 3  # a leaf is made again when less than a third of its life is left
_BACKDATED = 3600  # s: a client's clock may be behind ours
_SHORTEST_RSA = 2048  # OpenSSL's security level of today refuses to serve less

_PRIVATE = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
_PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def parse(chain: str, key: Secret) -> Certificate:
    """Raises ValueError ``fact; remedy`` for what is no certificate, no key, or no pair."""
    try:
        leaf, *issuers = x509.load_pem_x509_certificates(chain.encode())
    except ValueError as error:
        raise ValueError("has no certificate in PEM; write the leaf first, then those between it and its CA") from error
    private = _private(key)
    if _public_bytes(private.public_key()) != _public_bytes(leaf.public_key()):
        elsewhere = any(_public_bytes(c.public_key()) == _public_bytes(private.public_key()) for c in issuers)
        raise ValueError(
            "its key belongs to another certificate of the file; write that one first"
            if elsewhere
            else "certificate and key are no pair; give the key that the certificate was made for"
        )
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size < _SHORTEST_RSA:
        raise ValueError(f"its RSA key has {private.key_size} bits; use {_SHORTEST_RSA} or more, or ECDSA P-256")
    return Certificate(
        "".join(c.public_bytes(Encoding.PEM).decode() for c in (leaf, *issuers)),
        Secret(key.label, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()),
        _names(leaf),
        int(leaf.not_valid_before_utc.timestamp()),
        int(leaf.not_valid_after_utc.timestamp()),
    )


def readable(pem: str) -> bool:
    """Whether there are certificates in ``pem``, and nothing broken."""
    try:
        return bool(x509.load_pem_x509_certificates(pem.encode()))
    except ValueError:
        return False


def account_key(label: str) -> Secret:
    """A new key for an account at a CA (PEM, PKCS #8)."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Secret(label, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def for_lego(key: Secret) -> Secret:
    """An account's key as lego reads it: `EC PRIVATE KEY`."""
    made = _private(key).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return Secret(key.label, made.decode())


def thumbprint(key: Secret) -> str:
    """What an account's key is known by in the answer to a challenge (RFC 7638, RFC 8555 8.1)."""
    numbers = _private(key).public_key().public_numbers()
    assert isinstance(numbers, ec.EllipticCurvePublicNumbers)
    x, y = (_base64url(number.to_bytes(32)) for number in (numbers.x, numbers.y))
    return _base64url(hashlib.sha256(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def authority(label: str, name: str, now: float, names: Iterable[str] | None = None) -> Certificate:
    """A new CA, called ``name``; it may sign leaves only, for ``names`` and what is below them (None: for any)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    ca = x509.BasicConstraints(ca=True, path_length=0)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = _builder(subject, subject, key, now, int(now) - _BACKDATED + CA_DAYS * DAY)
    builder = builder.add_extension(ca, critical=True).add_extension(usage, critical=True)
    if names is not None:
        builder = builder.add_extension(x509.NameConstraints(_permitted(names), None), critical=True)
    return _signed(builder, key, key, label)


def constrained(authority: Certificate) -> bool:
    """Whether a CA may sign for some names only."""
    return _constraints(authority) is not None


def permits(authority: Certificate, name: str) -> bool:
    """Whether clients take a leaf of ``authority`` for ``name`` (RFC 5280, 4.2.1.10)."""
    if (found := _constraints(authority)) is None:
        return True
    here = address(name)
    bare = name.lower().removeprefix("*.")
    for each in found.permitted_subtrees or ():
        if isinstance(each, x509.IPAddress) and here:
            if here in ipaddress.ip_network(each.value):
                return True
        elif isinstance(each, x509.DNSName) and not here and f".{bare}".endswith(f".{each.value}"):
            return True
    return False


def _constraints(authority: Certificate) -> x509.NameConstraints | None:
    ca = x509.load_pem_x509_certificate(authority.chain.encode())
    try:
        return ca.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None


def _permitted(names: Iterable[str]) -> list[x509.GeneralName]:
    """Of each kind one at least: a kind that is not named at all is permitted as a whole."""
    every = [(name, address(name)) for name in names]
    called = [name for name, at in every if at is None] or ["invalid"]  # nobody has a name there (RFC 6761)
    networks = dict.fromkeys(_around(at) for _, at in every if at is not None) or [ipaddress.ip_network("0.0.0.0/32")]
    return [*map(x509.DNSName, called), *map(x509.IPAddress, networks)]


def _around(at: Address) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A public address alone, or its IPv6 network; of a private one all that are: hosts come, and it names nobody."""
    private = (n for n in _PRIVATE if n.version == at.version and at in n)
    return next(private, None) or ipaddress.ip_network((at, 32 if at.version == 4 else 64), strict=False)


def leaf(authority: Certificate, label: str, names: Iterable[str], days: int, now: float) -> Certificate:
    """A new leaf of ``authority`` for ``names`` (DNS names and addresses) that lives for ``days``, or as long as it."""
    names = tuple(names)
    key = ec.generate_private_key(ec.SECP256R1())
    ca = x509.load_pem_x509_certificate(authority.chain.encode())
    end = min(int(now) - _BACKDATED + days * DAY, authority.not_after)
    # an empty subject: names belong into the extension, and a common name takes 64 characters at most
    builder = _builder(x509.Name([]), ca.subject, key, now, end)
    alternative = x509.SubjectAlternativeName([_general(name) for name in names])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    )
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    builder = (
        builder.add_extension(alternative, critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(server, critical=False)
        .add_extension(issuer, critical=False)
    )
    return _signed(builder, key, _private(authority.key), label)


def serves(found: Certificate, authority: Certificate, names: Iterable[str], days: int, now: float) -> bool:
    """Whether a leaf that was made earlier stays, or is to be made again: other names, another CA or life, its age."""
    life = found.not_after - found.not_before
    wanted = min(days * DAY, authority.not_after - found.not_before)
    return (
        set(found.names) == set(names)
        and life == wanted
        and (found.not_after - now) * _RENEW >= life
        and _issued(found, authority)
    )


def _issued(found: Certificate, authority: Certificate) -> bool:
    one, ca = (x509.load_pem_x509_certificate(c.chain.encode()) for c in (found, authority))
    try:
        one.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: float, end: int
) -> x509.CertificateBuilder:
    start = int(now) - _BACKDATED
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(datetime.datetime.fromtimestamp(start, datetime.UTC))
    made = made.not_valid_after(datetime.datetime.fromtimestamp(end, datetime.UTC))
    return made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, by: _PrivateKey, label: str
) -> Certificate:
    made = builder.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return parse(made, Secret(label, text))


def _usage(**allowed: bool) -> x509.KeyUsage:
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    names = (*every, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})


def _private(key: Secret) -> _PrivateKey:
    try:
        found = serialization.load_pem_private_key(key.reveal().encode(), password=None)
    except TypeError as error:  # cryptography's way to say that there is a passphrase
        raise ValueError("its key is encrypted; write it without a passphrase (openssl pkey)") from error
    except ValueError as error:
        raise ValueError("has no private key in PEM; give the key that the certificate was made for") from error
    if not isinstance(found, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise ValueError("its key is neither ECDSA nor RSA; clients know no other")  # noqa: TRY004 - bad input
    return found


def _public_bytes(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return]


def _names(found: x509.Certificate) -> tuple[str, ...]:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()  # clients look at nothing else
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(found) if (found := address(name)) else x509.DNSName(name)
