"""The archive: every file without secrets, looked through once more, and then written whole or not at all."""

from __future__ import annotations

import gzip
import io
import platform
import tarfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from livekit_metal.collect.gather import Source
from livekit_metal.collect.redact import Redactor
from livekit_metal.core import atomic_file
from livekit_metal.core.errors import Problem, SiteError

_README = """What livekit-metal collected of {site} for a bug report, at {when} UTC.

Secrets were taken out ({mask}): every value of the secrets file, and what has the shape of a token, a password or a
private key. Addresses of hosts and of clients, names of rooms and of participants are still in it, as daemons log
them: read it before you give it to anybody, and to whom you give it.

{versions}
For each host (a folder under hosts/):

{files}
status.json is what procedures/status.py says, doctor.txt what the doctor says of the host (no calls were made),
settings.json what the inventory comes to there. unread.txt is of a host that could not be read.
"""


def archive(
    site: str, hosts: Mapping[str, Mapping[str, str]], sources: Sequence[Source], redact: Redactor, now: float
) -> bytes:
    """A .tar.gz of the files of each host. Raises SiteError when a value of the vault would be in it."""
    moment = time.gmtime(now)
    widest = max(len(each.name) for each in sources)
    readme = _README.format(
        site=site,
        when=time.strftime("%Y-%m-%d %H:%M:%S", moment),
        mask=redact.mask,
        versions=_versions(),
        files="\n".join(f"{each.name:{widest}}  {each.why}" for each in sources) + "\n",
    )
    files = {"README.txt": readme}
    files |= {f"hosts/{host}/{name}": text for host, found in hosts.items() for name, text in found.items()}
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=int(now)) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in files.items():
            clean = redact(text)
            if redact.left(clean):
                fact, remedy = "still has a secret in it; nothing was written", "report this, without the file"
                raise SiteError([Problem(name, fact, remedy)])
            data = clean.encode(errors="backslashreplace")
            info = tarfile.TarInfo(f"livekit-metal/{name}")
            info.size, info.mtime, info.mode = len(data), int(now), 0o600
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def place(to: str, site: str, now: float) -> Path:
    """Where the archive goes: ``to``, or a name of its own in the current directory."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    return Path(to) if to else Path(f"livekit-metal-{site}-{moment}.tar.gz")


def write(path: Path, data: bytes) -> None:
    """For its owner alone (0600). Raises SiteError where there is a file already."""
    if path.exists():
        raise SiteError([Problem(str(path), "is there already", "name another file: --data to=FILE")])
    atomic_file.replace(path, data, was=None)


def _versions() -> str:
    found = [f"Python {platform.python_version()} on {platform.platform()}"]
    for name in ("livekit-metal", "pyinfra", "paramiko", "gevent"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name}: no package")
    return "\n".join(found) + "\n"
