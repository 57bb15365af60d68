"""What procedures/collect.py makes of looks at hosts: an archive in which no value of the vault can be found."""

from __future__ import annotations

import base64
import io
import tarfile
from pathlib import Path
from urllib.parse import quote

import pytest

from livekit_metal.collect import gather, write
from livekit_metal.collect.redact import Redactor
from livekit_metal.core.errors import SiteError
from livekit_metal.core.types.duration import Duration
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import Site

DAY = Duration(86400)
NOW = 1795262400.0  # 2026-11-21 12:00:00 UTC


def answers(site: Site, text: str) -> HostState:
    """Every question is answered with ``text``."""
    needs = gather.needs(site, site.for_host("lk1"), DAY)
    return HostState(answers={name: text.splitlines() for name, _ in needs.queries}, answered=NOW)


def members(data: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {each.name: (found := tar.extractfile(each)) and found.read().decode() for each in tar}  # type: ignore[misc]


def archived(site: Site, text: str, redact: Redactor) -> dict[str, str]:
    found = gather.of(site, site.for_host("lk1"), DAY, frozenset(site.hosts), answers(site, text))
    return members(write.archive(site.name, {"lk1": found}, gather.sources(site, DAY), redact, NOW))


def test_no_value_of_the_vault_is_in_the_archive(any_site: Site) -> None:
    """Not as it is, not in Base64 (nor as a user's password), not encoded for a URL."""
    values = any_site.opened.every_value()
    assert len(values) > 3, "else this would prove nothing"
    shapes = [v for value in values for v in (value, quote(value, safe=""))]
    encoded = [base64.b64encode(f"{'x' * n}{value}".encode()).decode() for value in values for n in range(3)]
    # at both ends a neighbour has a part of a character
    forms = [*shapes, *(each[4:-4] for each in encoded)]
    found = archived(any_site, "\n".join([*shapes, *encoded]), Redactor(values))
    assert len(found) > 10
    for name, text in found.items():
        assert not [form for form in forms if form in text or form in name], name


def test_without_the_redactor_they_would_be(any_site: Site) -> None:
    """The other test can fail."""
    value = any_site.opened.every_value()[0]
    assert value in archived(any_site, f"said {value}", Redactor([]))["livekit-metal/hosts/lk1/journal.txt"]


def test_what_is_left_is_not_written(any_site: Site) -> None:
    class Blind(Redactor):
        def __call__(self, text: str) -> str:
            return text

    with pytest.raises(SiteError, match="nothing was written"):
        archived(any_site, any_site.opened.every_value()[0], Blind(any_site.opened.every_value()))


def test_every_source_is_a_file_and_the_readme_names_it(any_site: Site) -> None:
    found = archived(any_site, "it", Redactor([]))
    names = {each.name for each in gather.sources(any_site, DAY)}
    assert {f"livekit-metal/hosts/lk1/{name}" for name in names | {"status.json", "doctor.txt", "settings.json"}} | {
        "livekit-metal/README.txt"
    } == set(found)
    for name in names:
        assert f"\n{name} " in found["livekit-metal/README.txt"]


def test_text_of_others_steers_no_terminal(any_site: Site) -> None:
    found = archived(any_site, "a\x1b[31mb\tc", Redactor([]))
    assert found["livekit-metal/hosts/lk1/journal.txt"] == "a\\x1b[31mb\tc\n"


def test_it_is_for_its_owner_alone_and_never_over_another_file(tmp_path: Path) -> None:
    path = tmp_path / "it.tar.gz"
    write.write(path, b"first")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SiteError, match="is there already"):
        write.write(path, b"second")
    assert path.read_bytes() == b"first"


def test_two_archives_have_two_names() -> None:
    assert write.place("", "prod", NOW) == Path("livekit-metal-prod-20261121T120000Z.tar.gz")
    assert write.place("x.tgz", "prod", NOW) == Path("x.tgz")


def test_status_and_doctor_ask_slots_each_for_its_own(any_site: Site) -> None:
    """Their questions have one name, and the later one would answer both."""
    asked = dict(gather.needs(any_site, any_site.for_host("lk1"), DAY).queries)
    assert asked["collect.status livekit.occupancy"] != asked["livekit.occupancy"]
