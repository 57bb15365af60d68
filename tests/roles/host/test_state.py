"""The look's script run by a real shell, and its answer read back."""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import StateQuery, _mark, parse, script


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
