"""The edge that `python -m bench.load.joins` puts in front: HAProxy takes it, and it leads to the slot."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.load.edge import written


@pytest.mark.parametrize("tls", [False, True])
def test_haproxy_reads_what_joins_are_measured_with(
    tls: bool, tmp_path: Path, program: Callable[[str, str], str]
) -> None:
    settings = written(tmp_path, tls=tls)
    check = [program("haproxy", "haproxy"), "-c", "-f", settings.config_file]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (done.returncode, "WARNING" in done.stderr) == (0, False), done.stderr
    text = Path(settings.config_file).read_text()
    assert ("ssl crt" in text) == tls
    assert "127.0.0.1:7890" in text  # where `ours` of bench/load listens
    assert Path(settings.active.file).read_text() == "livekit a\n"
    if tls:
        assert Path(settings.certificate_file).stat().st_mode & 0o077 == 0
