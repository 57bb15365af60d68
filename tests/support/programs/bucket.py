"""A real S3 server over a folder of this machine, for the time of a test: versitygw, where ARTIFACTS has it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.hosts.lab import INVENTORY, ROOT, lab

PROGRAM = Path(os.environ.get("ARTIFACTS") or ROOT / "tests" / "standins") / "versitygw"
BUCKET = "recordings"
PREFIX = "site/"
STARTS = 20.0  # s


class Bucket:
    """One bucket; ``start`` and ``stop`` may be called again and again, what is in it stays."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.access_key = folder, "LAB" + secrets.token_hex(8)
        self.secret = f'{secrets.token_urlsafe(24)}"\\ $'  # must get everywhere as it is
        self.endpoint = f"http://{lab().facts['gateway']}:{port}"
        (folder / BUCKET).mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        keys = {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret}
        command: list[str | Path] = [
            PROGRAM,
            "--port",
            self.endpoint.partition("//")[2],
            "--health",
            "/health",
            "-q",
            "posix",
            self.folder,
        ]
        self._process = subprocess.Popen(command, env=os.environ | keys, stdout=subprocess.DEVNULL)
        end = time.monotonic() + STARTS
        while True:
            try:
                urllib.request.urlopen(f"{self.endpoint}/health", timeout=2).close()
            except OSError:
                assert self._process.poll() is None, "the S3 server does not start"
                assert time.monotonic() < end, "the S3 server does not answer"
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def settings(self, **other: Any) -> dict[str, Any]:
        """What the inventory says of it, with ``other`` words."""
        s3 = {"bucket": BUCKET, "endpoint": self.endpoint, "force_path_style": True, "access_key": self.access_key}
        return {"storage": {"prefix": PREFIX, "s3": s3 | other}}

    def files(self) -> list[str]:
        """Names of the objects below the prefix."""
        root = self.folder / BUCKET / PREFIX
        return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]

    def path(self, name: str) -> Path:
        return self.folder / BUCKET / PREFIX / name


def know(secret: str) -> None:
    """Put the store's secret key among the secrets of the site, as an operator would."""
    command = [sys.executable, "-m", "procedures.secrets", INVENTORY, "set", "egress-s3"]
    subprocess.run(command, cwd=ROOT, input=secret, text=True, check=True, capture_output=True)
