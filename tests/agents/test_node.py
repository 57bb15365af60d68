"""A fleet for Node: its conversations go on, whatever of it changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from testinfra.host import Host

from lab.run import wait_until
from tests.agents.conftest import Change, Talking, deploy, deployed, served
from tests.support.calls import workers

FLEET = workers.NODE


def told(host: Host, slot: str, metric: str) -> float:
    port = 9620 + "abc".index(slot)
    return float(host.check_output(f"curl -sf 127.0.0.1:{port}/metrics | sed -n 's/^livekit_agents_{metric} //p'"))


@pytest.mark.usefixtures("back")
def test_a_change_of_its_code_is_for_new_conversations(
    talking: Talking, change: Change, first: Host, node: Path
) -> None:
    zero = workers.serving(first, FLEET)
    with talking(FLEET) as oldest:
        served(oldest, talking, FLEET)
        agent = node / "agent.js"
        agent.write_text(f"{agent.read_text()}\n// another one\n")
        deployed(change({"agents": {FLEET: {"source": {"node": str(node)}}}}))
        one = workers.serving(first, FLEET)
        assert one != zero
        assert workers.slots(first, "deactivating", FLEET) == [zero]
        assert workers.rooms(first, zero, FLEET) == [oldest.conversation.room], "it goes on where it was"
        with talking(FLEET) as newest:
            served(newest, talking, FLEET)
            assert workers.rooms(first, one, FLEET) == [newest.conversation.room], "the new one takes what is new"
            newest.unnoticed()
        oldest.unnoticed()
    workers.ended(first, zero, fleet=FLEET)


QUIET = """import { defineAgent } from "@livekit/agents";
export default defineAgent({ entry: async (job) => { /*ENTRY*/ await job.connect(); await new Promise(() => {}); } });
"""
# the code of a worker, and what an operator is told about it
FAULTS = {
    "an import that fails": ("import 'nothing-there';\n", "agent.js cannot be imported: Error: Cannot find package"),
    "no agent": ("export default 3;\n", "agent.js has no agent (defineAgent) as its default export"),
    "exits at start": (f"setTimeout(() => process.exit(3), 500);\n{QUIET}", "it exits at start"),
    "refuses jobs": (
        f"export const options = {{ requestFunc: (request) => request.reject() }};\n{QUIET}",
        "takes no job",
    ),
    "crashes in its job": (
        QUIET.replace("/*ENTRY*/", "process.exit(1);"),
        "the process of its job ended before the job",
    ),
}


@pytest.mark.usefixtures("back")
def test_a_worker_that_cannot_serve_never_gets_a_job_of_anybody(
    talking: Talking, change: Change, first: Host, node: Path
) -> None:
    serving = workers.serving(first, FLEET)
    before = workers.pid(first, serving, FLEET)
    inventory = change({"agents": {FLEET: {"source": {"node": str(node)}}}})
    with talking(FLEET) as talk:
        for name, (text, said) in FAULTS.items():
            (node / "agent.js").write_text(text)
            found = deploy(inventory)
            assert found.status > 0, f"{name}: it was deployed\n{found.text}"
            assert said in found.text, f"{name}: {said!r} is not in\n{found.text}"
            assert "Traceback" not in found.text, f"{name}:\n{found.text}"
            assert (workers.serving(first, FLEET), workers.pid(first, serving, FLEET)) == (serving, before), name
        talk.unnoticed()


def test_neither_language_s_workers_give_up_while_livekit_is_away(talking: Talking, first: Host) -> None:
    """Upstream's end after 80 s (Node) and two minutes (Python), and jobs with them."""
    before = {fleet: (slot := workers.serving(first, fleet), workers.pid(first, slot, fleet)) for fleet in _RETRIES}
    since = first.check_output("date +%s")
    first.check_output(_AWAY)
    try:
        for fleet, tried in _RETRIES.items():
            asked = f"journalctl -u 'livekit-agents-{fleet}@*' -o cat --since @{since} | grep -c '{tried}'"
            assert wait_until(lambda asked=asked: first.run(asked).rc == 0, 300, every=2), fleet  # type: ignore[misc]
    finally:
        first.check_output("nft delete table inet lkm_test_away")
    for fleet, (slot, pid) in before.items():
        port = 9620 + "abc".index(slot) if fleet == FLEET else 9610 + "abc".index(slot)
        assert wait_until(lambda port=port: first.run(f"curl -sf 127.0.0.1:{port}/").rc == 0, 60, every=0.5), fleet  # type: ignore[misc]
        assert (workers.serving(first, fleet), workers.pid(first, slot, fleet)) == (slot, pid)
        with talking(fleet) as talk:
            served(talk, talking, fleet)
            talk.unnoticed()


# One attempt more than upstream makes by itself.
_RETRIES = {FLEET: '"retry_count":11', workers.ECHO: '"retry_count": 17'}
_AWAY = (
    "nft -f - <<'END'\n"
    "table inet lkm_test_away { chain out { type filter hook output priority -10;\n"
    "  oifname lo tcp dport 7880 reject with tcp reset\n"
    "}\n}\nEND"
)
