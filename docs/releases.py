"""docs/releases.md: what is known of versions, from livekit_metal/releases/versions.toml."""

from __future__ import annotations

from livekit_metal.releases.compatibility import faults

_HEAD = """\
# Known faults of releases

From upstream's changelogs. None of these versions is refused; a deploy that brings one to a host says how many of these
it has. What is refused, and which version must not follow which, says a deploy itself.

| livekit-server | what it means | where |
|---|---|---|
"""


def releases_md() -> str:
    """The table, as it stands in versions.toml: the gravest first."""
    rows = []
    for each in faults("livekit-server"):
        which = " ".join(filter(None, (each.since and f"from {each.since}", each.before and f"before {each.before}")))
        name = "#" + each.link.rpartition("/")[2]
        rows.append(f"| {which} | {each.means} | [{name}]({each.link}) |\n")
    return _HEAD + "".join(rows)
