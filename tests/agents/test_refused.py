"""What cannot serve never does: each is told in plain words, and the running worker and its conversation go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from tests.agents.conftest import Change, Talking, deploy
from tests.support.calls import workers

HEAD = """
import asyncio, os
from livekit.agents import AgentServer, AutoSubscribe, JobContext
server = AgentServer(load_fnc=lambda worker: 0.0)
"""
QUIET = (
    HEAD
    + """
@server.rtc_session()
async def quiet(job: JobContext) -> None:
    await job.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    await asyncio.sleep(3600)
"""
)
# the code of a worker, and what an operator is told about it
FAULTS = {
    "an import that fails": ("import nothing_of_that_name", "agent.py cannot be imported: ModuleNotFoundError"),
    "no server": ("server = None", "agent.py has no AgentServer among its globals"),
    "exits at start": (f"{QUIET}\nserver.on('worker_started', lambda: os._exit(3))\n", "it exits at start"),
    "refuses jobs": (
        HEAD + "async def no(request): await request.reject()\n"
        "@server.rtc_session(on_request=no)\nasync def never(job: JobContext) -> None: ...\n",
        "it takes no job",
    ),
    "crashes in its job": (
        HEAD + "@server.rtc_session()\nasync def crash(job: JobContext) -> None: os._exit(1)\n",
        "the process of its job ended before the job",
    ),
    "never joins": (
        HEAD + "@server.rtc_session()\nasync def never(job: JobContext) -> None: await asyncio.sleep(3600)\n",
        "its agent does not join the room",
    ),
    "says nothing": (QUIET, "publishes no sound"),
    "never registers": (
        f"{QUIET}\nasync def never(self): await asyncio.sleep(3600)\nAgentServer._connection_task = never\n",
        "LiveKit has not taken it in",
    ),
}


@pytest.mark.usefixtures("back")
def test_a_worker_that_cannot_serve_never_gets_a_job_of_anybody(
    talking: Talking, change: Change, first: Host, code: Path
) -> None:
    serving = workers.serving(first)
    before = workers.pid(first, serving)
    inventory = change({"agents": {"echo": {"source": {"python": str(code)}}}})
    with talking() as talk:
        for name, (text, said) in FAULTS.items():
            (code / "agent.py").write_text(text)
            told = deploy(inventory)
            assert told.status > 0, f"{name}: it was deployed\n{told.text}"
            assert said in told.text, f"{name}: {said!r} is not in\n{told.text}"
            assert "Traceback" not in told.text, f"{name}:\n{told.text}"
            assert (workers.serving(first), workers.pid(first, serving)) == (serving, before), name
            assert workers.slots(first, "deactivating") == [], name
        with talking() as other:
            assert workers.rooms(first, serving) == [talk.conversation.room, other.conversation.room]
        talk.unnoticed()


INPUT: dict[str, tuple[dict[str, Any], str]] = {
    "no lock": ({}, "has no requirements.txt"),
    "a lock without hashes": (
        {"requirements.txt": "livekit-agents==1.8.9\n"},
        "'livekit-agents==1.8.9' without a hash",
    ),
    "a lock without versions": ({"requirements.txt": "livekit-agents>=1\n"}, "without a version (==)"),
}


@pytest.mark.parametrize("what", INPUT)
def test_a_lock_that_is_none_is_refused_before_a_host_is_asked(
    what: str, change: Change, first: Host, code: Path
) -> None:
    files, said = INPUT[what]
    (code / "requirements.txt").unlink()
    for name, text in files.items():
        (code / name).write_text(text)
    before = workers.pid(first, workers.serving(first))
    deploy(change({"agents": {"echo": {"source": {"python": str(code)}}}})).refused("agents.echo.source", said)
    assert workers.pid(first, workers.serving(first)) == before


def test_a_secret_that_nobody_has_set_is_missed_before_anything_is_changed(change: Change, first: Host) -> None:
    before = workers.pid(first, workers.serving(first))
    told = deploy(change({"agents": {"echo": {"secrets": ["SPEECH_KEY"]}}}))
    told.refused("agents.echo.secrets", "agent-SPEECH_KEY is not among the secrets", "set agent-SPEECH_KEY")
    assert workers.pid(first, workers.serving(first)) == before


SMALL = """typing-extensions==4.15.0 \\
    --hash=sha256:f0fa19c6845758ab08074a0cfa8b7aecb71c999ca73d62883bc25cc018c4e548
"""


@pytest.mark.usefixtures("back")
def test_another_python_than_the_host_s_is_told(change: Change, first: Host, code: Path) -> None:
    before = workers.pid(first, workers.serving(first))
    (code / "requirements.txt").write_text(SMALL)
    told = deploy(change({"agents": {"echo": {"source": {"python": str(code), "interpreter": "3.13"}}}}))
    told.refused("agents.echo", "this host has Python 3.11, the fleet was built for 3.13")
    assert workers.pid(first, workers.serving(first)) == before
