"""The questions of ``livekit-metal init``: asked again until there is an answer, and only for what no flag says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from livekit_metal.cli.init.answers import Answers, site
from livekit_metal.cli.init.questions import ask


class Terminal:
    """Somebody who answers what contains a word with the lines given for it, one after the other; Enter otherwise."""

    def __init__(self, **lines: list[str]) -> None:
        self._lines = {word: iter(each) for word, each in lines.items()}
        self.asked: list[str] = []
        self.said: list[str] = []

    def read(self, question: str) -> str:
        self.asked.append(question)
        ready: Iterator[str] = next((each for word, each in self._lines.items() if word in question), iter(()))
        return next(ready, "")


def asked(terminal: Terminal, given: Answers | None = None) -> Answers:
    return ask(given or Answers(), terminal.read, terminal.said.append)


def test_a_site_from_answers() -> None:
    terminal = Terminal(
        Hosts=["lk1=203.0.113.11,10.0.0.1 lk2=203.0.113.12,10.0.0.2"],
        SSH=["198.51.100.0/24, 2001:db8::/48"],
        Name=["lk.example.org"],
        mail=["ops@example.org"],
        records=["lk2"],
    )
    made = site(asked(terminal))
    assert made["firewall"] == {"admin": ["198.51.100.0/24", "2001:db8::/48"]}
    assert made["edge"] == {"tls": "acme", "domain": "lk.example.org"}
    assert made["acme"] == {"email": "ops@example.org"}
    assert set(made["hosts"]["lk1"]["roles"]) == {"livekit", "redis", "prometheus"}
    assert set(made["hosts"]["lk2"]["roles"]) == {"livekit", "egress"}
    assert made["hosts"]["lk2"]["cluster"] == "10.0.0.2"


def test_what_is_wrong_is_asked_again_with_the_reason() -> None:
    terminal = Terminal(
        Hosts=["", "lk1=10.0.0.300", "203.0.113.11"], SSH=["198.51.100.1/24", "198.51.100.0/24"], Name=["lk example"]
    )
    assert asked(terminal).hosts == ("203.0.113.11",)
    assert sum("Hosts" in question for question in terminal.asked) == 3
    assert "  '10.0.0.300' is not an IP address; write an IP address; names are for ssh.config" in terminal.said
    assert "  '198.51.100.1/24' is not a network; write one such as 192.0.2.0/24, without host bits" in terminal.said
    assert "  'lk example' is not a name for clients; write one such as lk.example.org" in terminal.said


def test_without_a_domain_no_mail_is_asked_for() -> None:
    terminal = Terminal(Hosts=["203.0.113.11"], SSH=["198.51.100.0/24"])
    assert asked(terminal).domain == ""
    assert not any("mail" in question for question in terminal.asked)


def test_what_a_flag_says_is_not_asked() -> None:
    terminal = Terminal(Hosts=["203.0.113.11"])
    given = Answers(admin=("198.51.100.0/24",), tls="off", places={"redis": "lk1", "egress": "lk1"})
    answers = asked(terminal, given)
    assert answers.places["redis"] == "lk1"
    assert not any(word in question for word in ("SSH", "Name", "Redis", "records") for question in terminal.asked)


def test_the_end_of_input_ends_it() -> None:
    def ended(question: str) -> str:
        raise EOFError

    with pytest.raises(EOFError):
        ask(Answers(), ended, print)
