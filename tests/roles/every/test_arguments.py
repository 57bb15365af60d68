"""No secret is an argument of a program: every account of a host may read argument lists (/proc/PID/cmdline).

What the roles send to hosts is watched in every test with ``fake_run``. Here the shell texts that get secrets by
standard input are carried out, with programs that write down how they are called.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.roles.redis import tasks as redis_tasks
from livekit_metal.roles.sip import telephony
from livekit_metal.roles.sip.objects import KINDS
from livekit_metal.site.model import Site

# Says how it was called and what it was given; answers as $ANSWER says.
_STUB = """#!/bin/sh
printf '%s\\n' "$0" "$@" >>"$NOTES/arguments"
cat /dev/fd/3 >>"$NOTES/configuration" 2>/dev/null
cat >>"$NOTES/input"
eval "$ANSWER"
"""


@pytest.fixture
def carried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A stand-in for ``sh`` and ``ask``: carries a command out here, with notes about the program that it calls."""
    programs, notes = tmp_path / "programs", tmp_path / "notes"
    programs.mkdir()
    notes.mkdir()
    monkeypatch.setenv("NOTES", str(notes))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def ready(program: str, answer: str) -> Callable[..., str]:
        (programs / program).write_text(_STUB)
        (programs / program).chmod(0o755)
        monkeypatch.setenv("ANSWER", answer)

        def run(_host: object, script: str, *args: str, stdin: str = "", timeout: int = 60) -> str:
            words = ["sh", "-c", script, "sh", *args]
            return subprocess.run(
                words, input=stdin, text=True, capture_output=True, check=True, timeout=timeout
            ).stdout

        return run

    return ready


def noted(tmp_path: Path, what: str) -> str:
    return (tmp_path / "notes" / what).read_text()


@pytest.mark.parametrize("password", ["pass:word", 'it\'s "$(id)" \\ `id` %s'])
def test_what_livekit_is_told_of_trunks_is_no_argument(
    phones: Site, carried_out: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, password: str
) -> None:
    assert phones.vault
    phones.vault.set_password("sip-office", password)
    sip = phones.for_host("lk1").sip
    assert sip
    run = carried_out("curl", """printf '{"items": []}\\n200\\n'""")
    monkeypatch.setattr(telephony, "read", run)
    monkeypatch.setattr(telephony, "run", run)
    host: Any = None
    telephony._apply(host, settings=sip, kind=KINDS[0], name="office")
    said = [line for line in noted(tmp_path, "input").splitlines() if line not in ("", "{}")]
    assert [json.loads(line)["trunk"]["auth_password"] for line in said] == [password], "LiveKit got it, as it is"
    assert noted(tmp_path, "configuration").count('header = "Authorization: Bearer ey') == len(KINDS) + 1
    arguments = noted(tmp_path, "arguments")
    assert arguments.count("/twirp/livekit.SIP/List") == len(KINDS)
    assert "/twirp/livekit.SIP/CreateSIPInboundTrunk" in arguments
    assert not [word for word in (password, "auth_password", "Bearer", "ey") if word in arguments.splitlines()]
    assert "pass" not in arguments.replace(str(tmp_path), "")
    assert "Bearer" not in arguments


def test_what_redis_is_told_of_users_is_no_argument(
    single: Site, carried_out: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    redis = single.for_host("lk1").redis
    assert redis
    monkeypatch.setattr(redis_tasks, "run", carried_out("redis-cli", "echo OK"))
    host: Any = None
    redis_tasks._set_users(host, settings=redis, running=["gone"])
    given = noted(tmp_path, "input")
    assert "acl deluser gone\n" in given
    assert all(f"acl setuser {name} reset {rules}\n" in given for name, rules in redis.users.items())
    arguments = noted(tmp_path, "arguments")
    assert not [p for p in redis.deploy_passwords if p.reveal() in arguments]
    assert "#" not in arguments, "not even a hash"
