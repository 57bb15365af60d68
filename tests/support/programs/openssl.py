"""A CA of somebody else's, made by OpenSSL: root, one between, and a leaf for some names."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """Files: what an operator gets from a CA, and the root that clients trust."""

    certificate: Path
    key: Path
    root: Path


def issued(directory: Path, *names: str) -> Pair:
    """A certificate for ``names`` with the one between it and its root, as CAs hand them out."""
    _sign(directory, "root", "/CN=Root of another", "basicConstraints=critical,CA:TRUE")
    _sign(directory, "middle", "/CN=Between", "basicConstraints=critical,CA:TRUE,pathlen:0", by="root")
    _sign(directory, "leaf", "/", f"subjectAltName=critical,{','.join(f'DNS:{n}' for n in names)}", by="middle")
    chain = directory / "chain.pem"
    chain.write_text("".join((directory / f"{name}.pem").read_text() for name in ("leaf", "middle")))
    return Pair(chain, directory / "leaf.key", directory / "root.pem")


def _sign(directory: Path, name: str, subject: str, extension: str, by: str = "") -> None:
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", subject]
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-addext", extension]
    issuer = ["-CA", f"{by}.pem", "-CAkey", f"{by}.key"] if by else []
    subprocess.run([*new, *files, *issuer], cwd=directory, check=True, capture_output=True)
