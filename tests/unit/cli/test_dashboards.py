"""``livekit-metal dashboards``: files for a Grafana of somebody else's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from procedures import dashboards


def test_it_writes_them_again_and_touches_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.json").write_text("mine")
    for _ in range(2):
        assert dashboards.main([str(tmp_path)]) == 0
    found = {path.name: path for path in tmp_path.iterdir()}
    assert found.pop("other.json").read_text() == "mine"
    assert len(found) == 8
    for path in found.values():
        assert json.loads(path.read_text())["panels"]
        assert path.stat().st_mode & 0o777 == 0o644
    assert f"wrote 8 dashboards to {tmp_path}" in capsys.readouterr().out


def test_without_a_folder_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboards.main([str(tmp_path / "none")]) == 2
    assert "is no folder; make it: mkdir -p" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
