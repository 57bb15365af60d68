"""What each slot of egress records, and what waits on the host for somebody to look after it."""

from __future__ import annotations

from collections.abc import Iterator

from roles._kit.look import Needs, Seen
from roles._kit.occupancy import Question
from roles.egress import generation
from roles.egress.settings import PROGRAM, UNIT, Settings

NOUN = "recordings"
# Health tells of every recording by its id (pkg/server/server.go Status). Nobody's room name can look like such a key:
# JSON escapes quotes inside of strings.
_ASK = r"""health=$(port health)
  [ -z "$health" ] || ! all=$(curl -sf -m 3 "http://127.0.0.1:$health/") ||
    echo "$slot sessions $(printf '%s' "$all" | grep -aoE '[{,]"EG_[A-Za-z0-9]+":' | grep -c '')" """
_LEFT = "egress.left"


def question(settings: Settings, *, draining: bool = False) -> Question:
    """What is asked of a host; ``draining``: only of slots that drain, so that every deploy may ask."""
    root = generation.root(settings)
    return Question(PROGRAM, UNIT, settings.slots, root, settings.active.file, _ASK, draining=draining)


def needs(settings: Settings) -> Needs:
    """What :func:`notes` must know."""
    counted = "find {0}/backup -type f 2>/dev/null | grep -c ''; ls -d {0}/cut-short/EG_* 2>/dev/null | grep -c ''"
    return question(settings, draining=True).needs | Needs(probes=((_LEFT, counted.format(settings.state)),))


def notes(settings: Settings, seen: Seen) -> Iterator[str]:
    """What still drains, what was not uploaded, what was cut short: for the last table."""
    asked = question(settings, draining=True)
    for slot in asked.sessions(seen.probes[asked.name]).values():
        yield slot.words(NOUN)
    if number := waiting(seen):
        yield f"{number} files were not uploaded and wait in {settings.state}/backup: procedures/reupload.py"
    if number := _left(seen)[1]:
        yield f"{number} recordings were cut short; what there is of them: {settings.state}/cut-short"


def waiting(seen: Seen) -> int:
    """Files whose upload failed."""
    return _left(seen)[0]


def _left(seen: Seen) -> tuple[int, int]:
    waiting, cut = [*map(int, seen.probes[_LEFT]), 0, 0][:2]
    return waiting, cut
