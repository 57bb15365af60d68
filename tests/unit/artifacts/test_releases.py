"""What the catalogue answers, and that what it points at is complete."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.releases.catalogue import Archive, File, Image, Module, Release, find

RELEASES = Path(__file__).parents[3] / "livekit_metal/releases"
TABLE = tomllib.loads((RELEASES / "releases.toml").read_text())
ALL = "1.13.4, 1.13.5, 1.13.6, 1.13.7, 1.13.8, 1.13.9"
OWN = "and a build of your own needs source 'file'"


EVERYTHING = [
    (component, version, source)
    for component, sources in TABLE.items()
    for source, table in sources.items()
    for version in table["versions"]
]


SERVER = ("livekit-server", "archive")


def ask(version: str, source: str = "archive", **given: str) -> Release:
    return find("livekit-server", version, source, path="livekit.release", **given)


def refusal(version: str, source: str = "archive", **given: str) -> str:
    with pytest.raises(SiteError) as error:
        ask(version, source, **given)
    return str(error.value)


@pytest.mark.parametrize(("component", "version", "source"), EVERYTHING)
def test_every_release_of_the_table_is_what_it_says(component: str, version: str, source: str) -> None:
    release = find(component, version, source, path="x.release")
    assert (release.component, release.version, release.source, release.path) == (
        component,
        version,
        source,
        "x.release",
    )


def test_archives_are_pinned_per_architecture() -> None:
    archives = [ask(version, source).origin for name, version, source in EVERYTHING if (name, source) == SERVER]
    pins = [pin for archive in archives if isinstance(archive, Archive) for pin in archive.pins]
    assert all(re.fullmatch(r"[0-9a-f]{64}", pin.sha256) and pin.confidence in "ABC" for pin in pins)
    assert len({pin.sha256 for pin in pins}) == len(pins) == 8


def test_an_archive_knows_its_address() -> None:
    origin = ask("1.13.7").origin
    assert isinstance(origin, Archive)
    assert origin.url == (
        "https://github.com/livekit/livekit/releases/download/v1.13.7/livekit_1.13.7_linux_{arch}.tar.gz"
    )
    assert origin.pin("arm64").sha256.startswith("5d167fdf")
    assert origin.arches == ("amd64", "arm64")


@pytest.mark.parametrize(("component", "version"), [(c, v) for c, v, source in EVERYTHING if source == "module"])
def test_a_module_pins_every_module_it_requires(component: str, version: str) -> None:
    origin = find(component, version, "module", path="x.release").origin
    assert isinstance(origin, Module)
    text = (origin.directory / "go.mod").read_text()
    required = re.findall(r"^\t(\S+ v\S+)", text, re.MULTILINE)
    replaced = dict(re.findall(r"^replace (\S+) => (\S+ v\S+)$", text, re.MULTILINE))
    sums = {line.rpartition(" h1:")[0] for line in (origin.directory / "go.sum").read_text().splitlines()}
    own = [name for name in required if origin.package.startswith(name.split()[0] + "/")]
    assert own == [f"github.com/livekit/{component} v{version}"]
    assert len(required) > 50
    taken = {replaced.get(name.split()[0], name) for name in required}
    assert {name for name in taken if name not in sums or f"{name}/go.mod" not in sums} == set()


@pytest.mark.parametrize(
    ("version", "near"),
    [
        ("1.13.10", "1.13.9"),
        ("1.14.0", "1.13.9"),
        ("1.12.0", "1.13.4"),
        ("v1.13.7", "1.13.7"),
        ("latest", "1.13.9"),
    ],
)
def test_an_unknown_version_is_refused_with_the_nearest_one(version: str, near: str) -> None:
    assert refusal(version) == (
        f"livekit.release: livekit-server {version} is not known; "
        f"the nearest known version is {near} (all: {ALL}), {OWN}"
    )


@pytest.mark.parametrize(
    ("version", "source", "text"),
    [
        ("1.13.4", "archive", "livekit-server 1.13.4 is not known as archive; choose module or file"),
        ("1.13.9", "module", "livekit-server 1.13.9 is not known as module; choose archive or file"),
        ("1.13.7", "deb", "is 'deb'; choose one of archive, module, image, file"),
    ],
)
def test_a_source_it_does_not_have_is_refused_and_none_stands_in(version: str, source: str, text: str) -> None:
    assert refusal(version, source) == f"livekit.source: {text}"


def test_an_unknown_component_is_refused() -> None:
    with pytest.raises(SiteError) as error:
        find("livekit", "1.13.7", "archive", path="livekit.release")
    assert str(error.value) == "livekit.release: component 'livekit' is not known; did you mean 'livekit-server'?"


def test_an_architecture_without_a_pin_is_refused() -> None:
    with pytest.raises(SiteError) as error:
        ask("1.13.9").check("arm64")
    assert str(error.value) == (
        "livekit.release: livekit-server 1.13.9 has no known archive for arm64, only for amd64; "
        "choose a version that has one (1.13.5, 1.13.6, 1.13.7), or source 'file'"
    )


def test_an_unknown_architecture_is_refused_for_every_source() -> None:
    with pytest.raises(SiteError) as error:
        ask("1.13.5", "module").check("riscv64")
    assert str(error.value) == (
        "livekit.release: livekit-server 1.13.5 is not known for riscv64; use hosts of amd64 or arm64"
    )


def test_a_file_may_be_of_a_version_the_table_does_not_know() -> None:
    release = ask("1.14.0-mine", "file", file="/srv/livekit-server", sha256="AB" * 32)
    assert release.origin == File("/srv/livekit-server", "ab" * 32)
    assert release.beside("sha256") == "livekit.sha256"


@pytest.mark.parametrize("component", ["egress", "ingress", "sip"])
def test_a_build_of_ones_own_serves_where_upstream_gives_no_binaries(component: str) -> None:
    release = find(component, "9.9.9", "file", path="x.release", file="/srv/program", sha256="ab" * 32)
    assert (release.component, release.version, release.origin) == (component, "9.9.9", File("/srv/program", "ab" * 32))
    release.check("amd64")
    release.check("arm64")
    with pytest.raises(SiteError) as error:
        find(component, "9.9.9", "image", path="x.release")
    assert re.fullmatch(
        rf"x\.release: {component} 9\.9\.9 is not known; the nearest known version is [\d.]+ \(all: [\d., ]+\), {OWN}",
        str(error.value),
    )


def test_images_are_pinned_by_digest() -> None:
    images = {f"{c} {v}": find(c, v, s, path="x.release").origin for c, v, s in EVERYTHING if s == "image"}
    assert list(images) == ["egress 1.14.1", "egress 1.15.0", "ingress 1.5.0", "sip 1.11.0", "sip 1.17.0"]
    for image in images.values():
        assert isinstance(image, Image)
        assert re.fullmatch(r"docker\.io/livekit/(egress|ingress|sip)@sha256:[0-9a-f]{64}", image.pinned)
        assert image.confidence in "ABC"
    assert len({image.pinned for image in images.values() if isinstance(image, Image)}) == 5


def test_an_image_may_come_from_a_registry_of_ones_own() -> None:
    known = find("sip", "1.11.0", "image", path="sip.release").origin
    assert isinstance(known, Image)
    mirrored = find("sip", "1.11.0", "image", path="sip.release", image="registry.example.org:5000/media/sip").origin
    assert mirrored == Image("registry.example.org:5000/media/sip", known.sha256, known.confidence)
    given = {"image": "localhost:5000/sip", "sha256": f"sha256:{'AB' * 32}"}
    own = find("sip", "1.18.0-mine", "image", path="sip.release", **given).origin
    assert own == Image("localhost:5000/sip", "ab" * 32)


@pytest.mark.parametrize(
    ("source", "given", "said"),
    [
        ("image", {"sha256": "ab" * 32}, "sha256: is set without an image; name the image that it is the digest of"),
        ("image", {"file": "/srv/sip"}, "file: is set while source is 'image'; remove it, or set source to 'file'"),
        ("file", {"image": "a.b/c"}, "image: is set while source is 'file'; remove it, or set source to 'image'"),
        (
            "image",
            {"image": "registry.example.org/sip:v1.11.0"},
            "image: is 'registry.example.org/sip:v1.11.0'; "
            "write registry and name without a tag, as registry.example.org/media/egress",
        ),
        (
            "image",
            {"image": "livekit/sip"},
            "image: is 'livekit/sip'; write registry and name without a tag, as registry.example.org/media/egress",
        ),
        (
            "image",
            {"image": "a.b/c", "sha256": "v1.11.0"},
            "sha256: is 'v1.11.0', not 64 hexadecimal digits; set it to the digest of the image, after `sha256:`",
        ),
    ],
)
def test_what_does_not_belong_to_an_image_is_refused(source: str, given: dict[str, str], said: str) -> None:
    with pytest.raises(SiteError) as error:
        find("sip", "1.11.0", source, path="sip.release", **given)
    assert str(error.value) == f"sip.{said}"


def test_everything_wrong_about_a_file_is_said_at_once() -> None:
    assert refusal("../1.13.7", "file", sha256="abc").splitlines() == [
        "livekit.release: is '../1.13.7'; write the version your build is made from, as 1.13.7 or 1.13.7-mine",
        "livekit.file: is empty while source is 'file'; set it to the path of the program",
        "livekit.sha256: is 'abc', not 64 hexadecimal digits; set it to what `sha256sum FILE` prints",
    ]


def test_a_file_that_would_be_ignored_is_refused() -> None:
    assert refusal("1.13.7", file="/srv/livekit-server") == (
        "livekit.file: is set while source is 'archive'; remove it, or set source to 'file'"
    )
