"""Two secrets files of one site that went apart, as two branches in git: one that has what both have."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.types.secret import Secret
from livekit_metal.vault.vault import Vault

ROOT = Path(__file__).parents[3]
ENDED = "x" * 40
Change = Callable[[Vault], object]


class Two:
    """A file and a copy of it, which go their own ways."""

    def __init__(self, path: Path) -> None:
        self.mine, self.other = path, path.with_name("theirs.secrets")
        vault = Vault.open(path)
        vault.import_api_key("APIfirst", ENDED)
        vault.passwords("redis")
        vault.keep("tls-ca", lambda _: Secret("tls-ca", "first CA"))
        vault.persist()
        self.other.write_bytes(path.read_bytes())

    def change(self, which: Path, *changes: Change) -> None:
        for change in changes:
            vault = self.open(which)
            change(vault)
            vault.persist()

    def open(self, which: Path) -> Vault:
        return Vault.open(self.mine).another(which)

    def unite(self) -> tuple[Vault, list[str]]:
        vault = Vault.open(self.mine)
        told = vault.unite(vault.another(self.other))
        vault.persist()
        return Vault.open(self.mine), told


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Two:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LIVEKIT_METAL_KEY", raising=False)
    monkeypatch.delenv("LIVEKIT_METAL_KEY_FILE", raising=False)
    return Two(tmp_path / "prod.secrets")


def rotate(vault: Vault) -> None:
    vault.rotate_password("redis")


def test_a_rotation_of_either_side_is_not_lost(two: Two) -> None:
    two.change(two.mine, Vault.rotate_api_key)
    two.change(two.other, rotate)
    mine, other = two.open(two.mine), two.open(two.other)
    united, told = two.unite()
    assert united.api_keys == mine.api_keys
    assert united.passwords("redis") == other.passwords("redis")
    assert told == ["password redis: the current one is that of the other file; 1 earlier stay valid"]
    assert united.state.serial == 3


@pytest.mark.parametrize("longer", ["mine", "other"])
def test_of_two_rotations_the_later_is_current_and_all_stay_valid(two: Two, longer: str) -> None:
    two.change(two.mine, rotate, Vault.rotate_api_key, *([lambda v: v.passwords("a")] if longer == "mine" else []))
    two.change(two.other, rotate, Vault.rotate_api_key, *([lambda v: v.passwords("b")] if longer == "other" else []))
    sides = {"mine": two.open(two.mine), "other": two.open(two.other)}
    united, _ = two.unite()
    assert united.api_key == sides[longer].api_key
    assert united.passwords("redis")[0] == sides[longer].passwords("redis")[0]
    for side in sides.values():
        assert set(side.api_keys) <= set(united.api_keys)
        assert set(side.passwords("redis")) <= set(united.passwords("redis"))
    assert len(united.passwords("redis")) == 3
    with pytest.raises(SiteError, match="the previous password is still valid"):
        united.rotate_password("redis")
    united.retire_password("redis")
    united.retire_password("redis")
    assert len(united.passwords("redis")) == 1


@pytest.mark.parametrize("which", ["mine", "other"])
def test_what_either_has_retired_does_not_come_back(two: Two, which: str) -> None:
    side = getattr(two, which)
    retire = (
        Vault.rotate_api_key,
        lambda v: v.retire_api_key("APIfirst"),
        rotate,
        lambda v: v.retire_password("redis"),
    )
    two.change(side, *retire)
    two.change(two.other if side == two.mine else two.mine, lambda v: v.passwords("sip-office"))
    wanted = two.open(side)
    united, told = two.unite()
    assert united.api_keys == wanted.api_keys
    assert united.passwords("redis") == wanted.passwords("redis")
    assert united.knows("sip-office")
    assert ("API key APIfirst stays retired" in told) == (which == "other")


def test_hosts_of_either_file_take_the_united_one(two: Two) -> None:
    two.change(two.mine, Vault.rotate_api_key, rotate)
    two.change(two.other, Vault.rotate_api_key, lambda v: v.passwords("a"), lambda v: v.passwords("b"))
    before = [two.open(each).state for each in (two.mine, two.other)]
    assert before[0].against(str(before[1])) == "older"
    assert before[1].against(str(before[0])) == "apart"
    united, _ = two.unite()
    assert [united.state.against(str(each)) for each in before] == ["", ""]
    assert [each.against(str(united.state)) for each in before] == ["older", "older"]


def test_a_file_that_has_nothing_new_is_taken_in_too(two: Two) -> None:
    """Its state must be known: hosts may have been deployed with it."""
    two.change(two.mine, rotate, lambda v: v.retire_password("redis"), lambda v: v.passwords("a"))
    two.change(two.other, lambda v: v.passwords("b"))
    vault = Vault.open(two.mine)
    vault.passwords("b")
    other = two.open(two.other)
    vault._document.passwords["b"] = list(other.passwords("b"))
    vault.persist()
    before = Vault.open(two.mine)
    united, _ = two.unite()
    assert united.every_value() == before.every_value()
    assert united.state.against(str(other.state)) == ""


def test_the_new_ca_of_one_side_goes_on(two: Two) -> None:
    def another(vault: Vault) -> None:
        vault.drop("tls-ca")
        vault.keep("tls-ca", lambda _: Secret("tls-ca", "second CA"))

    two.change(two.other, another)
    two.change(two.mine, rotate, rotate_api, lambda v: v.passwords("a"))
    united, told = two.unite()
    assert united.kept("tls-ca") == Secret("tls-ca", "second CA")
    assert told == ["tls-ca is that of the other file"]


def rotate_api(vault: Vault) -> None:
    vault.rotate_api_key()


REFUSED: dict[str, tuple[Change, Change, str]] = {
    "another secret": (
        lambda v: v.import_api_key("APIx", "m" * 40),
        lambda v: v.import_api_key("APIx", "o" * 40),
        "secrets.api_keys.APIx: has another secret in each file; ",
    ),
    "two CAs": (
        lambda v: v.keep("tls-ca", lambda _: Secret("tls-ca", "mine")),
        lambda v: v.keep("tls-ca", lambda _: Secret("tls-ca", "theirs")),
        "secrets.tls-ca: each file has a CA of its own, and clients trust one of them; ",
    ),
    "unknown values": (
        lambda v: setattr(v._document, "others", Secret("secrets", '{"new": 1}')),
        lambda v: setattr(v._document, "others", Secret("secrets", '{"new": 2}')),
        "secrets: new is of a newer version of livekit-metal, and differs; unite the files with that version",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_united_is_refused_and_nothing_changes(two: Two, case: str) -> None:
    one, another, message = REFUSED[case]
    two.change(two.mine, one)
    two.change(two.other, another, rotate)
    before = two.mine.read_bytes(), Vault.open(two.mine).state
    vault = Vault.open(two.mine)
    with pytest.raises(SiteError) as caught:
        vault.unite(vault.another(two.other))
    assert str(caught.value).startswith(message)
    vault.persist()
    assert (two.mine.read_bytes(), Vault.open(two.mine).state) == before


def test_a_file_of_another_site_is_refused(two: Two) -> None:
    Vault.open(two.mine.with_name("elsewhere.secrets"), key=two.open(two.mine)._source).persist()
    vault = Vault.open(two.mine)
    with pytest.raises(SiteError, match="the two files are of different sites"):
        vault.unite(vault.another(two.mine.with_name("elsewhere.secrets")))


def git(directory: Path, *words: str) -> tuple[int, str]:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(directory), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("marked", [True, False])
def test_after_a_merge_in_git_the_advice_works(two: Two, *, marked: bool) -> None:
    """Marked as here, the file stays as it was; without that, the error of the next command says what to type."""
    here, name = two.mine.parent, two.mine.name
    theirs = two.other.read_bytes()
    two.other.unlink()
    git(here, "init", "-qb", "main")
    if marked:
        (here / ".gitattributes").write_text((ROOT / ".gitattributes").read_text())
    git(here, "add", name, *([".gitattributes"] if marked else []))
    git(here, "commit", "-qm", "first")
    git(here, "checkout", "-qb", "side")
    two.mine.write_bytes(theirs)
    two.change(two.mine, rotate)
    side = Vault.open(two.mine)
    git(here, "commit", "-qam", "side")
    git(here, "checkout", "-q", "main")
    two.change(two.mine, rotate_api)
    main = Vault.open(two.mine)
    git(here, "commit", "-qam", "main")
    status, said = git(here, "merge", "side")
    assert status, said
    if marked:
        assert Vault.open(two.mine).api_keys == main.api_keys, "git leaves ours"
        git(here, "show", f":3:./{name}")
        taken = f"git -C {here} show :3:./{name} >theirs.secrets"
    else:
        with pytest.raises(SiteError) as caught:
            Vault.open(two.mine)
        advice = str(caught.value)
        assert advice.startswith(f"secrets: git left two versions of {two.mine} in one another; ")
        taken = advice.partition(" has: ")[2].partition(" && python")[0]
    subprocess.run(["sh", "-ec", taken], cwd=here, check=True, capture_output=True)
    united, _ = two.unite()
    assert (united.api_keys, united.passwords("redis")) == (main.api_keys, side.passwords("redis"))
    assert git(here, "commit", "-qam", "merged")[0] == 0


def test_a_damaged_file_can_be_restored_in_the_middle_of_a_merge(two: Two) -> None:
    here, name = two.mine.parent, two.mine.name
    git(here, "init", "-qb", "main")
    git(here, "add", name)
    git(here, "commit", "-qm", "first")
    good = two.mine.read_bytes()
    two.mine.write_bytes(good[:-5])
    with pytest.raises(SiteError) as caught:
        Vault.open(two.mine)
    command = str(caught.value).partition("version control: ")[2]
    subprocess.run(command.split(), cwd=here, check=True, capture_output=True)
    assert two.mine.read_bytes() == good
