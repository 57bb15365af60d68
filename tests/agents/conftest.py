"""Real conversations with the echo agent, on a lab deployed from inventories/lab_agents.py."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from lab.run import wait_until
from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.conversation import Conversation
from livekit_metal.call.report import MAY_MISS, Report
from livekit_metal.roles.agents.settings import Settings as Agents
from livekit_metal.site.model import Site
from tests.support.calls import workers
from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.hosts.deploys import Deploy, Told, unchanging, variant
from tests.support.hosts.lab import INVENTORY, ROOT, lab, over_ssh
from tests.support.lab_fixtures import the_access, the_control, the_lab, the_site  # noqa: F401 - fixtures
from tests.upgrade import conversations, document
from tests.upgrade.conversations import Measured
from tests.upgrade.judge import FACTOR, limit

TWICE = 0.02  # share of the sound that two receivers, one behind the other, may lose to their clocks
SERVED = 5.0  # s for an answer, from the dispatch
STILL = 3.0  # s of sound that must come back when all is over
ECHO = ROOT / "examples/agents/echo-python"
ECHO_NODE = ROOT / "examples/agents/echo-node"
LANGUAGES = {workers.ECHO: "Python", workers.NODE: "Node"}
SENT = 400  # s for a deploy that sends all packages of a fleet, or starts workers twice, on a machine that is busy


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-gaps", action="store_true", help=f"write what was measured to {document.FILE}")


@pytest.fixture(scope="session")
def gaps(pytestconfig: pytest.Config) -> Iterator[list[Measured]]:
    """Where tests put what belongs into the table of gaps."""
    found: list[Measured] = []
    yield found
    if found and pytestconfig.getoption("--write-gaps"):
        page = ROOT / document.FILE
        page.write_text(conversations.written(page.read_text(), found))


def pytest_report_header() -> str:
    return f"lab: {lab().directory} ({', '.join(lab().site.hosts)}), site: {INVENTORY}"


@pytest.fixture(scope="session")
def first() -> Host:
    return over_ssh(next(iter(lab().site.hosts)))


@dataclass
class Talk:
    """A conversation that goes on, beside a call on a server that nothing touches."""

    conversation: Conversation
    control: Call

    def stop(self) -> tuple[Report, Report]:
        async def both() -> tuple[Report, Report]:
            return await self.conversation.stop(), await self.control.stop()

        return asyncio.run(both())

    def unnoticed(self) -> tuple[Report, Report]:
        """Assert, at the end, that it went on as if nothing had happened, and still does; its report, the control's."""
        before = self.conversation.came_back
        still = wait_until(lambda: self.conversation.came_back >= before + STILL, 30)
        report, control = self.stop()
        print(
            f"largest gap {report.largest_gap_ms:.0f} ms, the control's {control.largest_gap_ms:.0f} ms"
        )  # pytest -rP
        said = f"{report.table()}\nthe control:\n{control.table()}"
        assert still, f"nothing comes back any more (whether it was the machine, the control's events say)\n{said}"
        assert report.events == (), said  # no reconnection, no rejoin
        assert report.largest_gap_ms <= limit(control), said
        assert report.missed_s <= max(MAY_MISS, FACTOR * control.missed_s, TWICE * report.seconds), said
        return report, control


Talking = Callable[..., contextlib.AbstractContextManager[Talk]]  # with the name of an agent, if not echo


def served(talk: Talk, talking: Talking, agent: str = "echo") -> None:
    """Assert that the agent answered in time: at once, or no later than one does while nothing happens."""
    if (took := talk.conversation.answered) > SERVED:
        with talking(agent) as control:
            assert took <= FACTOR * control.conversation.answered, f"{took:.1f} s; {control.conversation.answered:.1f}"


@pytest.fixture
def talking(access: Access, control: Access) -> Talking:
    @contextlib.contextmanager
    def one(agent: str = "echo", room: str = "") -> Iterator[Talk]:
        async def begin() -> Talk:
            other = Call(control)
            await other.__aenter__()
            made = Conversation(access, agent, room=room)
            try:
                await made.__aenter__()
            except BaseException:
                await other.stop()
                raise
            return Talk(made, other)

        talk = asyncio.run(begin())
        try:
            yield talk
        finally:
            with contextlib.suppress(Exception):
                talk.stop()

    return one


def deploy(inventory: str | Path = INVENTORY, *words: str) -> Told:
    """A deploy from start to end."""
    return Deploy(inventory, *words).end(within=SENT)


def deployed(inventory: str | Path = INVENTORY, *words: str) -> None:
    """The same, of what must work."""
    told = deploy(inventory, *words)
    assert told.status == 0, told.text


Change = Callable[[Mapping[str, Any]], Path]


@pytest.fixture
def change(tmp_path: Path) -> Change:
    """Makes an inventory file like the one under test, but for the given settings."""
    return partial(variant, tmp_path)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the agent that a test may change."""
    return Path(shutil.copytree(ECHO, tmp_path / "echo"))


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """The same of the one for Node."""
    return Path(shutil.copytree(ECHO_NODE, tmp_path / "node"))


@pytest.fixture(params=LANGUAGES)
def fleet(request: pytest.FixtureRequest) -> str:
    """Both languages."""
    name: str = request.param
    return name


@pytest.fixture
def another(fleet: str, code: Path, node: Path) -> Mapping[str, Any]:
    """Settings that give the fleet code that no host has yet."""
    language, folder, file, comment = {
        workers.ECHO: ("python", code, "agent.py", "#"),
        workers.NODE: ("node", node, "agent.js", "//"),
    }[fleet]
    agent = folder / file
    agent.write_text(f"{agent.read_text()}\n{comment} {uuid.uuid4()}\n")
    return {"agents": {fleet: {"source": {language: str(folder)}}}}


@pytest.fixture
def back(site: Site) -> Iterator[None]:
    """The site's own agent in the end, and nothing held against any generation."""
    yield
    for name in site.with_role("agents"):
        over_ssh(name).check_output(f"rm -rf {site.paths.config}/agents-*/rejected")
    deployed()
    if [name for name in site.with_role("agents") if _given_back(name, site)]:
        deployed()  # and what is left of a fleet that is not in the inventory any more
    unchanging()


def _given_back(name: str, site: Site) -> bool:
    """Wait until the workers of fleets that a host shall not have any more have ended; whether there are any."""
    host, own = over_ssh(name), {f"livekit-agents-{fleet}" for fleet in site.of(Agents).fleets}

    def others(asked: str) -> list[str]:
        return [unit for unit in host.check_output(asked).split() if unit.partition("@")[0] not in own]

    running = "systemctl list-units --plain --no-legend 'livekit-agents-*@*' | cut -d ' ' -f 1"
    assert wait_until(lambda: not others(running), 60, every=0.3), others(running)
    return bool(others("cd /etc/systemd/system && ls -d livekit-agents-*@.service"))
