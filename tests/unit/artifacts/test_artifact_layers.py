"""Layers merged: what the specification says, and what a layer must not be able to do."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pytest

from livekit_metal.runtime.artifacts.layers import Damaged, decompressed, merge
from tests.support.artifacts.registry import entry, layer

DIR, LINK, HARD, CHAR, FIFO = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE


def merged(tmp_path: Path, *layers: bytes) -> dict[str, object]:
    """name -> content, "->target" of a link, "=name" of a hard link, None for a directory."""
    paths = [tmp_path / f"{number}.tar" for number in range(len(layers))]
    for path, content in zip(paths, layers, strict=True):
        path.write_bytes(content)
    merge(paths, tmp_path / "tree.tar")
    found: dict[str, object] = {}
    with tarfile.open(tmp_path / "tree.tar") as tar:
        for info in tar:
            name = info.name.removeprefix("./")
            assert name not in found, "each path once"
            if info.issym():
                found[name] = f"->{info.linkname}"
            elif info.islnk():
                found[name] = f"={info.linkname.removeprefix('./')}"
            else:
                content = tar.extractfile(info)
                found[name] = content.read().decode() if content else None
    del found["."]
    return found


def test_a_later_layer_covers_an_earlier_one(tmp_path: Path) -> None:
    one = layer(entry("etc/a", b"1"), entry("etc/b", b"1"), entry("c", b"file"))
    two = layer(entry("./etc/a", b"2"), entry("/c/", kind=DIR), entry("c/d", b"below"))
    assert merged(tmp_path, one, two) == {"c": None, "c/d": "below", "etc": None, "etc/a": "2", "etc/b": "1"}


def test_a_file_in_place_of_a_directory_takes_all_below_away(tmp_path: Path) -> None:
    assert merged(tmp_path, layer(entry("a/b/c", b"1")), layer(entry("a", b"2"))) == {"a": "2"}


def test_a_directory_again_keeps_what_is_in_it(tmp_path: Path) -> None:
    merged(tmp_path, layer(entry("a/b", b"1")), layer(entry("a/", kind=DIR, mode=0o700, uid=7)))
    with tarfile.open(tmp_path / "tree.tar") as tar:
        assert tar.getnames() == [".", "./a", "./a/b"]
        assert (tar.getmember("./a").mode, tar.getmember("./a").uid) == (0o700, 7)


def test_what_is_taken_away_is_only_what_was_below(tmp_path: Path) -> None:
    one = layer(entry("a/old", b"1"), entry("a/b/c", b"1"), entry("keep/x", b"1"))
    two = layer(entry("a/new", b"2"), entry("a/.wh..wh..opq"), entry("keep/.wh.x"), entry("keep/.wh.never"))
    assert merged(tmp_path, one, two) == {"a": None, "a/new": "2", "keep": None}
    assert merged(tmp_path, one, layer(entry(".wh.a"), entry("a", b"2"))) == {"a": "2", "keep": None, "keep/x": "1"}


def test_a_hard_link_outlives_the_name_it_was_made_from(tmp_path: Path) -> None:
    one = layer(entry("x", b"same"), entry("y", kind=HARD, linkname="x"), entry("z", kind=HARD, linkname="./x"))
    assert merged(tmp_path, one) == {"x": "same", "y": "=x", "z": "=x"}
    assert merged(tmp_path, one, layer(entry(".wh.x"))) == {"y": "same", "z": "=y"}
    assert merged(tmp_path, one, layer(entry("x", b"other"))) == {"x": "other", "y": "same", "z": "=y"}


def test_links_on_the_way_are_followed_and_never_lead_out(tmp_path: Path) -> None:
    one = layer(
        entry("usr/lib/", kind=DIR),
        entry("lib", kind=LINK, linkname="usr/lib"),
        entry("out", kind=LINK, linkname="../../../../etc"),
        entry("usr/up", kind=LINK, linkname="/out/.."),
    )
    two = layer(entry("lib/x", b"in usr"), entry("out/passwd", b"in the tree"), entry("usr/up/top", b"at the top"))
    assert merged(tmp_path, one, two) == {
        "etc": None,
        "etc/passwd": "in the tree",
        "lib": "->usr/lib",
        "out": "->../../../../etc",
        "top": "at the top",
        "usr": None,
        "usr/lib": None,
        "usr/lib/x": "in usr",
        "usr/up": "->/out/..",
    }


def test_a_link_itself_is_replaced_and_not_followed(tmp_path: Path) -> None:
    one = layer(entry("real", b"1"), entry("link", kind=LINK, linkname="real"))
    assert merged(tmp_path, one, layer(entry("link", b"2"))) == {"link": "2", "real": "1"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (layer(entry("a/../../b", b"")), "a file is called 'a/../../b'"),
        (layer(entry("y", kind=HARD, linkname="nothing")), "y is a hard link to nothing, which is not a file"),
        (
            layer(entry("d/", kind=DIR), entry("y", kind=HARD, linkname="d")),
            "y is a hard link to d, which is not a file",
        ),
        (layer(entry("a", kind=LINK, linkname="a"), entry("a/b", b"")), "a leads in a circle"),
        (layer(entry("a", b"x" * 5000))[:2048], "unexpected end of data"),
    ],
)
def test_what_makes_no_tree_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(Damaged) as error:
        merged(tmp_path, content)
    assert str(error.value) == why


def test_devices_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "one.tar").write_bytes(layer(entry("dev/null", kind=CHAR), entry("run/pipe", kind=FIFO)))
    assert merge([tmp_path / "one.tar"], tmp_path / "tree.tar") == 1
    with tarfile.open(tmp_path / "tree.tar") as tar:
        assert tar.getnames() == [".", "./dev", "./run", "./run/pipe"]


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    a, b = entry("b/a", b"1", mtime=3.7, uname="me", uid=5), entry("b/a/", kind=DIR)
    trees = []
    for layers in ([layer(a)], [layer(b), layer(a)], [layer(entry("gone", b"")), layer(a, entry(".wh.gone"))]):
        merged(tmp_path, *layers)
        trees.append((tmp_path / "tree.tar").read_bytes())
    assert trees[0] == trees[1] == trees[2]


def test_a_layer_without_its_last_block_is_filled_up(tmp_path: Path) -> None:
    whole = layer(entry("a", b"13 bytes long"))
    for content in (whole[: 512 + 13], gzip.compress(whole[: 512 + 13])):
        (tmp_path / "blob").write_bytes(content)
        path = decompressed(tmp_path / "blob", tmp_path / "plain.tar")
        assert merged(tmp_path, path.read_bytes()) == {"a": "13 bytes long"}


@pytest.mark.parametrize("content", [gzip.compress(b"x" * 9000, mtime=0)[:-20], b"\x1f\x8bnothing of the kind"])
def test_a_layer_that_cannot_be_decompressed_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "blob").write_bytes(content)
    with pytest.raises(Damaged, match=r"^a layer cannot be decompressed \(.+\)$"):
        decompressed(tmp_path / "blob", tmp_path / "plain.tar")
