"""An archive as Grafana's is, with the stand-in in it: grafana-vX/bin/grafana, conf and public."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

_PROGRAM = Path(__file__).parents[2] / "standins/grafana"


def archive(directory: Path) -> tuple[str, str]:
    """The file, the same bytes each time, and its sha256."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, text, mode in (
            ("grafana-v0.0.0/bin/grafana", _PROGRAM.read_bytes(), 0o4755),  # a set-user-ID bit that must not arrive
            ("grafana-v0.0.0/conf/defaults.ini", b"", 0o644),
            ("grafana-v0.0.0/public/index.html", b"", 0o644),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), mode
            tar.addfile(entry, io.BytesIO(text))
    path = directory / "grafana-0.0.0.linux-amd64.tar.gz"
    path.write_bytes(gzip.compress(whole.getvalue(), mtime=0))
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest()
