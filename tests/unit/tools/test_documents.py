"""Every document, and every heading of one, that anything in the repository leads to is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
_NAMED = re.compile(r"\bdocs/[\w./-]+\.md\b")


def _slugs(text: str) -> set[str]:
    """The anchors of a document, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [f for f in FILES if f.endswith(".md")])
def test_links_lead_somewhere(name: str) -> None:
    file = ROOT / name
    for path, anchor in _LINK.findall(file.read_text()):
        if path.startswith(("http:", "https:", "mailto:")):
            continue
        there = (file.parent / path).resolve() if path else file
        assert there.exists(), f"{name}: {path}"
        if anchor:
            assert anchor in _slugs(there.read_text()), f"{name}: {path}#{anchor}"


def test_documents_that_code_names_are_there() -> None:
    ours = [f for f in FILES if f.endswith((".py", ".md", ".j2", ".toml", "Makefile", ".gitattributes"))]
    for name in ours:
        if name.startswith(("docs/decisions/", "CHANGELOG", "tests/golden/")) or not (ROOT / name).is_file():
            continue
        for document in _NAMED.findall((ROOT / name).read_text()):
            assert (ROOT / document).exists(), f"{name}: {document}"
