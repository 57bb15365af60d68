"""``python -m tests.support.upstream``: write livekit_metal/releases/keys and metrics.toml, from what the proxy has.

Of egress and sip it has none: what is known of them stays, unless ``COMPONENT VERSION DIRECTORY [-with …]`` names a
copy of the source at that version; keys.go says what follows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from livekit_metal.releases import known_keys
from tests.support.upstream import metrics
from tests.support.upstream.read import PROGRAMS, Keys, from_copy, from_proxy

_HEAD = """\
# The keys that {component} reads from its configuration, with their types: from its structs, by version.
# Written by `make keys`; what livekit-metal makes of them is in rules/{component}.toml.
# [] is each of a list, * each of a mapping. A key that not every version below has: since the first, before the second.
"""


def written(component: str, by_version: Mapping[str, Keys]) -> str:
    """The file that says all of ``by_version``, whose versions are in order."""
    versions = list(by_version)
    lines = [_HEAD.format(component=component), f"versions = {json.dumps(versions)}", "", "[keys]"]
    for key in sorted({key for keys in by_version.values() for key in keys}):
        spans: list[list[str]] = []
        for version in versions:
            kind = by_version[version].get(key, "")
            if not spans or spans[-1][0] != kind:
                spans.append([kind, version, ""])
                if len(spans) > 1:
                    spans[-2][2] = version
        spans[0][1] = ""
        told = [{"type": k, "since": s, "before": b} for k, s, b in spans if k]
        lines.append(f"{json.dumps(key)} = {_value(told)}")
    return "\n".join(lines) + "\n"


def _value(spans: list[dict[str, str]]) -> str:
    if len(spans) == 1 and not spans[0]["since"] and not spans[0]["before"]:
        return json.dumps(spans[0]["type"])
    tables = (", ".join(f"{k} = {json.dumps(v)}" for k, v in span.items() if v) for span in spans)
    return f"[{', '.join(f'{{ {table} }}' for table in tables)}]"


def main(words: list[str]) -> None:
    """Write the files. Raises CalledProcessError where Go says no."""
    told = {component: dict(versions) for component, versions in metrics.table().items()}
    for component, program in PROGRAMS.items():
        of = told.setdefault(component, {})
        of |= {version: metrics.from_proxy(component, version) for version in program.versions}
        if words and words[0] == component:
            of[words[1]] = metrics.from_copy(component, Path(words[2]).absolute())
        known = known_keys.versions(component)
        tables = {version: dict(known_keys.table(component, version).keys) for version in known}
        tables |= {version: from_proxy(component, version) for version in program.versions}
        if words and words[0] == component:
            tables[words[1]] = from_copy(component, Path(words[2]).absolute(), words[3:])
        ordered = {version: tables[version] for version in sorted(tables, key=known_keys.numbers)}
        known_keys.file(component).write_text(written(component, ordered))
    metrics.FILE.write_text(metrics.written(told))


if __name__ == "__main__":
    main(sys.argv[1:])
