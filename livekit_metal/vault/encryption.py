"""The secrets file as bytes on disk: one readable line, then one encrypted document as base64.

The cipher is ChaCha20-Poly1305 (RFC 8439) of ``cryptography``: authenticated, in every OpenSSL build,
constant-time without special hardware. Fernet was the alternative; it cannot bind the readable line to the
ciphertext, whereas here that line is the associated data: not one byte of the file can change unseen. Nonces
are 96 random bits: a file is sealed a few times a year, and chance begins to matter at 2**32 times per key.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from livekit_metal.vault.key import Key, refused

FORMAT = 2
_READ = ("1", "2")  # 1 had no serial (document.py): a version that knows no serial must not write over one
NONCE = 12  # bytes
HEADER = re.compile(rb"livekit-metal secrets, format (\d+), key ([0-9a-f]{16}): [^\n]*\n")


def seal(document: bytes, key: Key) -> bytes:
    """The text of a secrets file that holds ``document``; different each time."""
    header = f"livekit-metal secrets, format {FORMAT}, key {key.id}: encrypted, safe to commit\n".encode()
    nonce = secrets.token_bytes(NONCE)
    return _text(header, nonce + ChaCha20Poly1305(key.raw).encrypt(nonce, document, header))


def key_id(text: bytes, path: Path) -> str:
    """The id of the key that ``text`` was sealed with. Raises SiteError: no secrets file, unknown format."""
    if b"\n>>>>>>> " in text:
        raise refused(f"git left two versions of {path} in one another", _apart(path))
    if not (header := HEADER.match(text)):
        raise refused(f"{path} is not a secrets file (its first line is another)", _restore(path))
    if (found := header[1].decode()) not in _READ:
        fact = f"{path} has format {found}, this version reads format {' and '.join(_READ)}"
        raise refused(fact, "use the version of livekit-metal that wrote it")
    return header[2].decode()


def is_old(text: bytes, path: Path) -> bool:
    """Whether an earlier version wrote ``text``. Raises SiteError as :func:`key_id`."""
    key_id(text, path)
    return not text.startswith(f"livekit-metal secrets, format {FORMAT},".encode())


def unseal(text: bytes, key: Key, path: Path) -> bytes:
    """The document inside ``text``. Raises SiteError: no secrets file, unknown format, wrong key, damaged."""
    if (wanted := key_id(text, path)) != key.id:
        fact = f"{path} needs key {wanted}, {key.origin} holds key {key.id}"
        raise refused(fact, "put the key there that the file was made with")
    header, _, body = text.partition(b"\n")
    header += b"\n"
    try:
        sealed = base64.b64decode(body.replace(b"\n", b""), validate=True)
        document = ChaCha20Poly1305(key.raw).decrypt(sealed[:NONCE], sealed[NONCE:], header)
    except (binascii.Error, ValueError, InvalidTag):
        raise refused(f"{path} is damaged", _restore(path)) from None
    # base64 can write the same bytes in several ways (unused bits, line breaks): only ours is accepted.
    if _text(header, sealed) != text:
        raise refused(f"{path} is damaged", _restore(path))
    return document


def _text(header: bytes, sealed: bytes) -> bytes:
    return header + base64.encodebytes(sealed)


def _restore(path: Path) -> str:
    # with HEAD, git does it in the middle of a merge, too
    return f"restore it from version control: git checkout HEAD -- {path}"


def _apart(path: Path) -> str:
    git, name = f"git -C {path.parent}", path.name
    take = f"{git} checkout --ours -- {name} && {git} show :3:./{name} >theirs.secrets"
    unite = "python -m procedures.secrets INVENTORY unite theirs.secrets"
    return f"take yours, and into it what the other one has: {take} && {unite}"
