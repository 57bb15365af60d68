"""Two secrets files of one site that went apart, as after a merge in git: one that has what both have.

Which of two values is the current one: the one that the other file has not heard of; where neither has heard of the
other's, that of the file with the higher serial. What either file has retired does not come back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from livekit_metal.core.types.secret import Secret
from livekit_metal.vault.document import Document
from livekit_metal.vault.key import refused

CA = "tls-ca"  # kept under this name, see tls.py: clients trust it, so it is no matter of taste which one goes on


def unite(mine: Document, other: Document) -> list[str]:
    """Take into ``mine`` what ``other`` has; what was done, line by line, without any value.

    Raises SiteError, and changes nothing, for what cannot be united.
    """
    if mine.fingerprint_key != other.fingerprint_key:
        raise refused("the two files are of different sites", "name another copy of this site's file")
    if mine.serial == other.serial == 1 and not (mine.before or other.before) and mine.content != other.content:
        raise refused(
            "both files are from before serials: nobody can tell which of them is the older one",
            "keep the one that the hosts were deployed with last, and set or rotate what it lacks",
        )
    newer, older = (other, mine) if other.serial > mine.serial else (mine, other)
    made = Document.parse(newer.text.reveal())
    made.ended = list(dict.fromkeys((*older.ended, *newer.ended)))
    told: list[str] = []
    made.api_keys = _api_keys(made, mine, other, newer, told)
    made.passwords = _passwords(made, mine, other, newer, told)
    made.kept = _kept(made, mine, other, newer, told)
    made.others = _others(mine, other)
    made.apart = newer.apart
    if made.apart != mine.apart:
        told.append(
            "the daemons beside livekit-server use "
            + ("the applications' API key" if made.apart is None else "their own")
        )
    made.before = {
        serial: tuple(dict.fromkeys((*mine.before.get(serial, ()), *other.before.get(serial, ()))))
        for serial in {*mine.before, *other.before}
    }
    for each in (mine.state, other.state):
        made.follow(each, max(mine.serial, other.serial) + 1)
    for field in Document.__slots__:
        setattr(mine, field, getattr(made, field))
    mine.serial = max(newer.serial, older.serial)
    return told


def _api_keys(made: Document, mine: Document, other: Document, newer: Document, told: list[str]) -> dict[str, Secret]:
    for key in mine.api_keys.keys() & other.api_keys.keys():
        if mine.api_keys[key] != other.api_keys[key]:
            fact, remedy = (
                "has another secret in each file",
                "retire it in one of them (and make another): rotate, retire",
            )
            raise refused(fact, remedy, f"secrets.api_keys.{key}")
    first, second = _ordered(list(mine.api_keys.values()), list(other.api_keys.values()), newer is mine)
    names = {s.label: k for each in (mine, other) for k, s in each.api_keys.items()}
    living = _living(made, first, second)
    for secret in living:
        if secret not in mine.api_keys.values():
            told.append(f"API key {names[secret.label]} came in")
    told += [f"API key {k} stays retired" for k, s in mine.api_keys.items() if s not in living]
    if mine.api_keys and living[0] != next(iter(mine.api_keys.values())):
        told.append(f"the current API key is {names[living[0].label]}")
    return {names[secret.label]: secret for secret in living}


def _passwords(
    made: Document, mine: Document, other: Document, newer: Document, told: list[str]
) -> dict[str, list[Secret]]:
    united: dict[str, list[Secret]] = {}
    for name in (*mine.passwords, *(n for n in other.passwords if n not in mine.passwords)):
        had, has = mine.passwords.get(name, []), other.passwords.get(name, [])
        united[name] = _living(made, *_ordered(had, has, newer is mine))
        if not had:
            told.append(f"password {name} came in")
        elif united[name] != had:
            also = f"; {len(united[name]) - 1} earlier stay valid" if len(united[name]) > 1 else ""
            whose = "this file" if united[name][0] == had[0] else "the other file"
            told.append(f"password {name}: the current one is that of {whose}{also}")
    return united


def _kept(made: Document, mine: Document, other: Document, newer: Document, told: list[str]) -> dict[str, Secret]:
    united = mine.kept | other.kept
    for name in sorted(united):
        had, has = mine.kept.get(name), other.kept.get(name)
        living = [each for each in (had, has) if each and not made.has_ended(each)]
        if not living:
            del united[name]
        elif len(set(map(Secret.reveal, living))) == 1:
            united[name] = living[0]
        elif name == CA:
            fact, remedy = (
                "each file has a CA of its own, and clients trust one of them",
                "go on with the file of that CA",
            )
            raise refused(fact, f"{remedy} alone", f"secrets.{name}")
        else:
            united[name] = newer.kept[name]
        if united.get(name) != had:
            told.append(f"{name} " + ("is gone" if name not in united else "is that of the other file"))
    return united


def _others(mine: Document, other: Document) -> Secret:
    one, two = json.loads(mine.others.reveal()), json.loads(other.others.reveal())
    if differing := [key for key in one.keys() & two.keys() if one[key] != two[key]]:
        fact = f"{', '.join(sorted(differing))} is of a newer version of livekit-metal, and differs"
        raise refused(fact, "unite the files with that version")
    return Secret("secrets", json.dumps(one | two))


def _ordered(mine: list[Secret], other: list[Secret], mine_is_newer: bool) -> tuple[list[Secret], list[Secret]]:
    """Both lists, the one whose first value is the current one of the site first."""
    if mine and other:
        knows_other, knows_mine = other[0] in mine, mine[0] in other
        if knows_other != knows_mine:
            return (mine, other) if knows_other else (other, mine)
    return (mine, other) if mine_is_newer or not other else (other, mine)


def _living(made: Document, first: Iterable[Secret], second: Iterable[Secret]) -> list[Secret]:
    every = list[Secret]()
    for each in (*first, *second):
        if each not in every:
            every.append(each)
    return [each for each in every if not made.has_ended(each)] or every[:1]
