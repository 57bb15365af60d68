"""A program out of upstream's release archive: downloaded, compared, and only then opened."""

from __future__ import annotations

import http.client
import ipaddress
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.releases.catalogue import Archive, Pin, Release
from livekit_metal.runtime.artifacts.store import Progress, Store, sha256_of

_TIMEOUT = 30  # seconds without a byte
_CHUNK = 1 << 18


def unpacked(release: Release, origin: Archive, pin: Pin, *, store: Store, work: Path, say: Progress) -> Path:
    """The program of the archive, as a file in ``work``. Raises SiteError; writes nowhere else."""
    url = origin.url.replace("{arch}", pin.arch)
    place = store.root / "archives" / f"{release.component}-{release.version}" / Path(urlsplit(url).path).name
    if place.exists():
        archive = place
        _compare(release, archive, pin, f"{place} was put there", "replace it by upstream's archive, or remove it")
    else:
        archive = work / "archive"
        remedy = f"check the network, put the archive at {place}, or use source 'file'"
        if why := _download(url, archive, say):
            raise SiteError([Problem(release.path, f"{url} cannot be downloaded: {why}", remedy)])
        remedy = "nothing was installed; try again, and if it stays so compare with upstream's checksums.txt"
        _compare(release, archive, pin, f"{url} was downloaded", remedy)
    program = work / "program"
    if why := _extract(archive, origin.member, program):
        raise SiteError(
            [Problem(release.path, f"{url}: {why}", "correct `member` in livekit_metal/releases/releases.toml")]
        )
    return program


def _compare(release: Release, archive: Path, pin: Pin, what: str, remedy: str) -> None:
    if (got := sha256_of(archive)) != pin.sha256:
        fact = f"{what} with sha256 {got}, expected {pin.sha256} ({release} {pin.arch})"
        raise SiteError([Problem(release.path, fact, remedy)])


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but only to where a first request may go."""

    def redirect_request(self, req: urllib.request.Request, *rest: Any) -> urllib.request.Request | None:
        if why := _forbidden(rest[-1]):
            raise urllib.error.URLError(f"it redirects to {rest[-1]}, {why}")
        return super().redirect_request(req, *rest)


def _download(url: str, target: Path, say: Progress) -> str:
    """Why it did not work; empty when it did."""
    if why := _forbidden(url):
        return why
    opener = urllib.request.build_opener(_Redirects())
    try:
        with opener.open(url, timeout=_TIMEOUT) as answer, target.open("wb") as file:
            return _copy(answer, file, answer.length or 0, say)
    except urllib.error.HTTPError as error:
        return f"the server answers {error.code} {error.reason}"
    except urllib.error.URLError as error:
        return str(error.reason)
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"


def _forbidden(url: str) -> str:
    parts = urlsplit(url)
    return "" if parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname)) else "not https"


def _loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _copy(answer: Any, file: IO[bytes], size: int, say: Progress) -> str:
    done, said = 0, time.monotonic()
    while chunk := answer.read(_CHUNK):
        file.write(chunk)
        done += len(chunk)
        if time.monotonic() - said >= 1:
            said = time.monotonic()
            say(f"{done / 1e6:.1f} of {size / 1e6:.1f} MB" if size else f"{done / 1e6:.1f} MB")
    # http.client takes an early end for the end when it is read in pieces.
    return f"the connection ended after {done} of {size} bytes" if done < size else ""


def _extract(archive: Path, name: str, program: Path) -> str:
    """Copy one member's bytes; no name, mode or link of the archive is used, so it cannot write elsewhere."""
    try:
        with tarfile.open(archive) as tar:
            member = tar.getmember(name)
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                return f"its member {name!r} is not a regular file"
            with content, program.open("wb") as file:
                shutil.copyfileobj(content, file)
    except KeyError:
        return f"there is no {name!r} in the archive"
    except (tarfile.TarError, EOFError, zlib.error) as error:
        return f"it cannot be unpacked ({error})"
    return ""
