"""Files that a document shows: each stands between two comments that name it, and is read from beside the document."""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = re.compile(r"<!-- (?P<name>[a-z_]+\.py): generated -->\n.*?<!-- end -->\n", re.S)


def filled(document: Path) -> str:
    """The document with its files as they are now. Raises OSError for one that is not there."""

    def part(found: re.Match[str]) -> str:
        text = (document.parent / found["name"]).read_text()
        return f"<!-- {found['name']}: generated -->\n```python\n{text}```\n<!-- end -->\n"

    return _BLOCK.sub(part, document.read_text())
