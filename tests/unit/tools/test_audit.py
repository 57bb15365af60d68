"""What `make audit` makes of the answers of its two programs; the programs themselves need the net."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import audit

GO = """
{"config": {"scan_level": "module"}}
{"osv": {"id": "GO-2026-0001", "aliases": ["CVE-2026-26014"]}}
{"finding": {"osv": "GO-2026-0001", "fixed_version": "v3.0.11", "trace": [{"module": "m/dtls", "version": "v3.0.7"}]}}
"""
PYTHON = {
    "dependencies": [
        {"name": "a", "version": "1", "vulns": []},
        {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["3"]}]},
    ]
}


def test_findings_name_where_what_and_the_remedy() -> None:
    (found,) = audit.go_findings("ingress-1.5.0", GO)
    assert str(found) == "ingress-1.5.0: m/dtls v3.0.7 has GO-2026-0001 = CVE-2026-26014; take v3.0.11"
    (found,) = audit.python_findings("requirements.lock", PYTHON)
    assert str(found) == "requirements.lock: b 2 has PYSEC-1 = CVE-1; take 3"


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (PYTHON, 1, "FAILED requirements.lock: b 2"),
        (None, 0, "not audited: requirements.lock (no answer: net is down"),
    ],
)
def test_what_is_found_fails_and_no_answer_does_not(
    said: object, status: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(command: list[str]) -> str:
        if said is None:
            raise audit.Unknown("net is down")
        return json.dumps(said) if "pip-audit" in command else GO.replace("26014", "44405")

    monkeypatch.setattr(audit, "_silence", lambda _: "")
    monkeypatch.setattr(audit, "_said", answer)
    assert audit.main() == status
    told = capsys.readouterr().out
    assert words in told
    assert said is None or "allowed ingress-1.5.0: m/dtls" in told


def test_ingress_is_built_without_what_is_known_to_be_broken() -> None:
    wanted = (Path(audit.ROOT) / "livekit_metal/releases/modules/ingress-1.5.0/go.mod").read_text()
    assert "pion/dtls/v3 v3.0.11 " in wanted
    assert "google.golang.org/grpc v1.79.3 " in wanted
