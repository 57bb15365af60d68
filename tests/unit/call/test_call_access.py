"""How a client gets in: the access file, and what a site says of itself."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError
from livekit_metal.call.server import trust
from livekit_metal.site.model import Site
from tests.support.values.sites import CLUSTER

ACCESS = {
    "url": "wss://site",
    "api_key": "key",
    "api_secret": "hush",
    "ca_file": None,
    "hosts": {
        "lk1": {"address": "10.0.0.1", "url": "ws://10.0.0.1:7880", "roles": ["livekit"]},
        "db": {"address": "10.0.0.2", "url": None, "roles": ["redis"]},
    },
}

CA = "-----BEGIN CERTIFICATE-----\nthe CA\n-----END CERTIFICATE-----\n"  # lines, as PEM has them


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_access_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file would stay, and the pipe of another user (/dev/stdin) cannot be opened again."""
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(ACCESS)))
    assert Access.load("-").api_secret == "hush"


def test_access_for_a_machine_without_our_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CA goes with it, and the SDK, which wants a file, finds one there."""
    monkeypatch.setenv("SSL_CERT_FILE", "before")
    here = Access.load(written(tmp_path / "a.json", ACCESS | {"ca_file": str(tmp_path / "ca.pem")}))
    (tmp_path / "ca.pem").write_text(CA)
    sent = json.dumps(dataclasses.asdict(here.portable()))
    (tmp_path / "ca.pem").unlink()
    there = Access.parse(json.loads(sent), "sent")
    assert there.ca_file is None
    trust(there)
    assert Path(os.environ["SSL_CERT_FILE"]).read_text() == CA


def test_access_is_read_and_hides_its_secret(tmp_path: Path) -> None:
    access = Access.load(written(tmp_path / "a.json", ACCESS))
    assert access.api_secret == "hush"
    assert "hush" not in repr(access)
    assert access.through(None) == "wss://site"
    assert access.through("lk1") == "ws://10.0.0.1:7880"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("lk2", "call: access: no host 'lk2'; did you mean 'lk1'?"),
        ("db", "call: access: no URL leads to db alone; hosts with one: lk1"),
    ],
)
def test_a_host_that_cannot_be_used_is_told(tmp_path: Path, host: str, said: str) -> None:
    access = Access.load(written(tmp_path / "a.json", ACCESS))
    with pytest.raises(CallError) as caught:
        access.through(host)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "{path}: is [] (list); make it a mapping of settings"),
        (ACCESS | {"uri": "x"}, "{path}.uri: unknown key; did you mean 'url'?"),
        ({"url": "x", "api_key": "k"}, "{path}.api_secret: is missing; set it: secret of that key"),
    ],
)
def test_a_bad_access_file_is_told(tmp_path: Path, content: object, said: str) -> None:
    path = written(tmp_path / "a.json", content)
    with pytest.raises(CallError) as caught:
        Access.load(path)
    assert said.format(path=path) in str(caught.value)


def test_a_missing_access_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CallError, match=r"No such file or directory; run 'make lab' or name the file"):
        Access.load(tmp_path / "none.json")


def test_access_of_a_site_is_by_its_hosts_that_serve(make_site: Callable[[dict[str, Any]], Site]) -> None:
    data = copy.deepcopy(CLUSTER) | {"edge": {"http": 17880}}
    data["hosts"]["lk1"]["roles"] = ["redis"]
    data["hosts"]["lk2"] |= {"address": "fd00::2", "public": "2001:db8::2"}
    site = make_site(data)
    with pytest.raises(CallError, match=r"test\.secrets does not exist yet; the first deploy makes it: "):
        Access.of(site)  # its API key would be known to nobody else
    assert site.vault is not None
    site.vault.persist()
    access = Access.of(site)
    urls = {name: host.url for name, host in access.hosts.items()}
    assert urls == {"lk1": None, "lk2": "ws://[2001:db8::2]:17880", "lk3": "ws://192.0.2.13:17880"}
    assert access.url == urls["lk2"]
    assert (access.api_key, access.api_secret) == (site.vault.api_key, site.vault.api_secret.reveal())


def test_access_of_a_site_goes_through_a_file_unchanged(single: Site, tmp_path: Path) -> None:
    assert single.vault is not None
    single.vault.persist()
    access = Access.of(single)
    assert Access.load(written(tmp_path / "a.json", dataclasses.asdict(access))) == access
