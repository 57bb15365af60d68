"""The switches of a run: ``pyinfra INVENTORY PLAN --data NAME=VALUE``, all of them.

pyinfra takes any name and says nothing about one that nobody reads: a mistyped switch would be no switch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import nearest

# pyinfra's own: arguments of its connector, and of every operation
_PYINFRA = ("ssh_", "_")
_OURS = ("deploy", "drain", "rollback", "remove_host", "renew", "reupload", "patch", "status", "doctor", "collect")
_DEPLOYS = ("deploy", "drain", "patch")  # drain.py and patch.py put a host back into service with a deploy
_RENAMED = {"jump": "version-skip"}


def _switch(default: Any, value: str, plans: tuple[str, ...], doc: str) -> Any:
    """``value`` is the only one it takes, or in capitals what stands there. ``plans`` know it; none: all of them do."""
    return dataclasses.field(default=default, metadata={"value": value, "plans": plans, "doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What was given. A field's name has dashes on the command line."""

    accept: tuple[str, ...] = _switch(
        (), "GENERATION", _DEPLOYS, "deploy generations (with commas) although they were rolled back"
    )
    version_skip: bool = _switch(
        False, "accept", (*_DEPLOYS, "rollback"), "permit a version that should not follow the one that runs"
    )
    refresh: bool = _switch(
        False, "yes", _DEPLOYS, "give slots a new process whose libraries an update has replaced; calls go on"
    )
    edge: bool = _switch(False, "restart", _DEPLOYS, "restart HAProxy where a reload is not enough; cuts WebSockets")
    lock: bool = _switch(False, "break", (), "take the lock from a deploy whose machine is gone")
    secrets: bool = _switch(
        False,
        "older",
        _DEPLOYS,
        "deploy a secrets file that is older than the hosts' or went apart; it is the newest then",
    )
    role: str = _switch("livekit", "ROLE", ("rollback",), "whose generation goes back, of the roles that have slots")
    any: bool = _switch(
        False, "yes", ("rollback",), "roll back what serves, also if the inventory was edited since the last deploy"
    )
    why: str = _switch("", "TEXT", ("drain", "rollback"), "the reason, for whoever reads the status and the audit log")
    alone: bool = _switch(
        False, "yes", ("drain", "remove_host", "patch"), "drain the host although no other takes new sessions"
    )
    back: bool = _switch(False, "yes", ("drain",), "end the maintenance: deploy the host and put it back into service")
    remove: str = _switch("", "HOST", ("remove_host",), "the host that is meant; without it nothing is removed")
    calls: bool = _switch(
        False,
        "drop",
        ("remove_host", "patch"),
        "do not wait for those who are on the host; patch.py: no longer than ``within``",
    )
    updates: str = _switch("security", "WHICH", ("patch",), "all: every update that is due, not security's only")
    reboot: str = _switch(
        "needed", "WHEN", ("patch",), "always or never; without it where kernel or libraries ask for it"
    )
    within: str = _switch("1h", "TIME", ("patch",), "how long a host may take to become empty (90s, 45m, 5h)")
    vantage: str = _switch("", "HOST", ("doctor",), "make the doctor's calls from this host as well")
    webhooks: bool = _switch(
        False,
        "test",
        ("doctor",),
        "send a signed test event to each of ``livekit.webhooks``, from every host that sends, and tell what came back",
    )
    json: bool = _switch(False, "yes", ("doctor", "status"), "print an object instead of a table")
    watch: bool = _switch(False, "yes", ("status",), "look again every 5 s, until it is interrupted")
    html: str = _switch("", "FILE", ("status",), "write a page for a browser instead; with watch=yes again and again")
    since: str = _switch("24h", "TIME", ("collect",), "how long ago the journals begin (90s, 45m, 5h)")
    to: str = _switch("", "FILE", ("collect",), "where the archive goes; otherwise a name of its own, here")


# a word that Python keeps to itself
_NAMES = {"vantage": "from"}


def switches(data: Callable[[str], object]) -> Switches:
    """What a host's data (``host.data.get``) holds of switches."""
    found: dict[str, Any] = {}
    for name, field in _named().items():
        value = data(name)
        if value is None:
            continue
        if isinstance(field.default, bool):
            found[field.name] = str(value) == field.metadata["value"]
        elif isinstance(field.default, tuple):
            found[field.name] = tuple(str(value).split(","))
        else:
            found[field.name] = str(value)
    return Switches(**found)


def problems(data: Mapping[str, object], plan: str) -> Iterator[Problem]:
    """What is wrong with the ``--data`` of a run of ``plan`` (a file's name without .py)."""
    if plan not in _OURS:  # somebody's own, with data of its own
        return
    known = {name: field for name, field in _named().items() if plan in _plans(field)}
    for name, value in data.items():
        path = f"--data {name}"
        if name.startswith(_PYINFRA):
            continue
        if name in known:
            word = known[name].metadata["value"]
            if isinstance(known[name].default, bool) and str(value) != word:
                yield Problem(path, f"is {str(value)!r}", f"write {name}={word}, or leave it out")
        elif name in _RENAMED:
            yield Problem(path, f"is called {_RENAMED[name]} now", f"write {_RENAMED[name]}={value}")
        elif name in _named():
            yield Problem(path, f"means nothing to {plan}.py", f"it is for {', '.join(_plans(_named()[name]))}")
        else:
            yield Problem(path, f"is unknown to {plan}.py", nearest(name, known))


def table() -> Iterator[tuple[str, str, str]]:
    """Switch, plans and effect, for docs/configuration.md."""
    for name, field in _named().items():
        plans = ", ".join(f"{plan}.py" for plan in field.metadata["plans"]) or "all"
        yield f"{name}={field.metadata['value']}", plans, field.metadata["doc"]


def _named() -> dict[str, dataclasses.Field[Any]]:
    return {_NAMES.get(f.name, f.name.replace("_", "-")): f for f in dataclasses.fields(Switches)}


def _plans(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    plans: tuple[str, ...] = field.metadata["plans"]
    return plans or _OURS
