"""The look's script run by a real shell, and its answer read back."""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from livekit_metal.runtime.host import state
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import Observer, StateQuery, _mark, parse, script


def look(needs: StateQuery) -> str:
    return subprocess.run(["sh", "-s"], input=script(needs), capture_output=True, text=True, check=True).stdout


def test_files_are_seen_with_hash_mode_and_owner(tmp_path: Path) -> None:
    there, absent = tmp_path / "there", tmp_path / "absent"
    there.write_text("text")
    there.chmod(0o640)
    seen = parse(look(StateQuery(files=frozenset({str(there), str(absent)}))))
    me = pwd.getpwuid(os.getuid()).pw_name
    assert seen.files == {str(there): hashlib.sha256(b"text").hexdigest()}
    assert seen.stat[str(there)][:2] == ("640", me)


def test_files_are_seen_by_a_sha256sum_that_ends_at_the_first_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of uutils does at a directory (uutils/coreutils#8912), until 0.2 at what is not there, too."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/sha256sum"
    program.write_text('#!/bin/sh\nshift; for f; do [ -f "$f" ] || exit 1; /usr/bin/sha256sum -- "$f"; done\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    (last := tmp_path / "z").write_text("text")
    several = (tmp_path / "absent", tmp_path / "bin", last)
    assert list(parse(look(StateQuery(files=frozenset(map(str, several))))).files) == [str(last)]


def test_sysctls_are_seen_by_their_dotted_name() -> None:
    seen = parse(look(StateQuery(sysctls=frozenset({"kernel.ostype", "kernel.no_such_key"}))))
    assert seen.sysctls == {"kernel.ostype": "Linux"}


def test_probes_come_back_as_they_are_and_may_fail() -> None:
    seen = parse(
        look(StateQuery(queries=(("lines", "printf 'one\\ntwo words\\n'"), ("fails", "false"), ("reads", "cat"))))
    )
    assert seen.answers == {"lines": ["one", "two words"], "fails": [], "reads": []}


def test_packages_are_seen_with_their_version() -> None:
    seen = parse(look(StateQuery(packages=frozenset({"dpkg", "no-such-package"}))))
    assert list(seen.packages) == ["dpkg"]


def test_units_and_the_stamp_of_their_process() -> None:
    answer = (
        "#files\n#stat\n#packages\n#sysctls\n#units\n"
        "Id=a.service\nActiveState=active\nMainPID=42\n\nId=b.service\nActiveState=inactive\nMainPID=0\n"
        "#stamps\n/proc/42/environ:LKM_STAMP=abc123\n#end\n"
    )
    seen = parse(answer)
    assert (seen.unit("a.service", "Stamp"), seen.unit("b.service", "Stamp")) == ("abc123", "")
    assert seen.unit("c.service", "ActiveState") == ""


def test_an_answer_without_its_end_is_refused() -> None:
    with pytest.raises(HostError, match=r"incomplete"):
        parse("#files\n")


def test_a_process_that_has_line_breaks_in_its_name_ends_no_section() -> None:
    """ss prints names as they are: one such as "a\n#packages" made the rest of the answer something else."""
    answer = "#00ff probe listening\ntcp a\n#packages\nb #probe other\n#00ff probe other\nline\n#00ff end\n"
    assert parse(answer, "#00ff ").answers == {"listening": ["tcp a", "#packages", "b #probe other"], "other": ["line"]}


def test_no_two_looks_have_the_same_mark() -> None:
    assert _mark() != _mark()


def test_a_second_look_asks_for_what_is_new_and_after_a_change_for_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def read(_: object, command: str, stdin: str) -> str:
        asked.append(stdin)
        return subprocess.run(command.split(), input=stdin, capture_output=True, text=True, check=True).stdout

    monkeypatch.setattr(state, "read", read)
    observer = Observer(None)  # type: ignore[arg-type]
    observer.need(StateQuery(queries=(("first", "echo one"),)))
    began = observer.current().asked
    observer.need(StateQuery(sysctls=frozenset({"kernel.ostype"}), queries=(("second", "echo two"),)))
    seen = observer.current()
    assert (seen.answers, seen.sysctls) == ({"first": ["one"], "second": ["two"]}, {"kernel.ostype": "Linux"})
    assert seen.asked == began
    assert seen.answered >= began
    assert ["echo one" in each for each in asked] == [True, False]
    observer.forget()
    assert observer.current().answers == seen.answers
    assert "echo one" in asked[-1]
    assert "echo two" in asked[-1]
    observer.current()
    assert len(asked) == observer.looks == 3
