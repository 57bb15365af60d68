"""Messages name commands as they are called where they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from livekit_metal.core.errors import Problem, as_called_here

SAID = {
    "store it: python -m procedures.secrets INVENTORY set x": "store it: livekit-metal secrets INVENTORY set x",
    "wait until then (procedures/status.py says until when)": "wait until then (livekit-metal status says until when)",
    "procedures/remove_host.py": "livekit-metal remove-host",
    "use a key of procedures.secrets INVENTORY show": "use a key of livekit-metal secrets INVENTORY show",
    "the procedures are as they were": "the procedures are as they were",
}


@pytest.mark.parametrize("text", SAID)
def test_a_repository_of_its_own_has_a_command_and_a_checkout_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert as_called_here(text) == SAID[text]
    assert SAID[text] in str(Problem("path", "is so", text))
    (tmp_path / "procedures").mkdir()
    assert as_called_here(text) == text
