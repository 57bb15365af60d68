"""Other services behind the edge: what of edge.backends is refused, and whose names are in certificates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.site.model import Site

Make = Callable[[dict[str, Any]], Site]
PAD = {"server": "127.0.0.1:9001"}


def refused(make_site: Make, data: dict[str, Any], said: str) -> None:
    with pytest.raises(SiteError) as caught:
        make_site(data)
    assert said in str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ({}, "edge.backends.pad: has neither names nor paths; say by which requests are its own"),
        (
            {"paths": ["/rtc/x"]},
            "edge.backends.pad.paths[0]: /rtc is LiveKit's own; choose another, or give it a name of its own",
        ),
        (
            {"paths": ["/whip"]},
            "edge.backends.pad.paths[0]: /whip is LiveKit's own; choose another, or give it a name of its own",
        ),
        ({"paths": ["pad/"]}, "edge.backends.pad.paths[0]: is 'pad/'; write it like '/sfu/get'"),
        ({"paths": ["/"]}, "edge.backends.pad.paths[0]: is '/'; write it like '/sfu/get'"),
        (
            {"names": ["call.example.org"]},
            "edge.backends.pad.names[0]: call.example.org is LiveKit's own name; drop it: without names, paths count "
            "at the site's own",
        ),
        (
            {"paths": ["/livekit"]},
            "edge.backends.pad.paths[0]: /livekit meets /livekit/sfu, below which clients find LiveKit "
            "(edge.path_prefix); choose another, or give it a name of its own",
        ),
        (
            {"paths": ["/pad", "/pad/x"]},
            "edge.backends.pad: /pad/x is also its own (/pad); give each request one service",
        ),
        (
            {"server": "localhost:80", "paths": ["/pad"]},
            "edge.backends.pad.server: is 'localhost:80', and HAProxy would look the name up once, when it starts; "
            "write the address, such as 127.0.0.1:8080",
        ),
        ({"paths": ["/pad"], "check": "x"}, "edge.backends.pad.check: is 'x'; write it like '/healthz'"),
        (
            {"names": ["pad.example.org"], "strip": True},
            "edge.backends.pad.strip: is set and there are no paths; drop it, or name the paths",
        ),
        (
            {"paths": ["/pad"], "tls": True},
            "edge.backends.pad.tls_name: is missing; give the name that its certificate is for",
        ),
        (
            {"paths": ["/pad"], "ca_file": "ca.pem"},
            "edge.backends.pad.ca_file: is set and tls is not; set tls, or drop it",
        ),
    ],
)
def test_a_service_that_cannot_be_there_is_refused(
    make_site: Make, site_data: dict[str, Any], backend: dict[str, Any], said: str
) -> None:
    site_data["edge"] = {
        "domain": "call.example.org",
        "path_prefix": "/livekit/sfu",
        "backends": {"pad": PAD | backend},
    }
    refused(make_site, site_data, said)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({"paths": ["/a"]}, {"paths": ["/a"]}, "/a is also that of one (/a)"),
        ({"paths": ["/a/b"]}, {"paths": ["/a"]}, "/a is also that of one (/a/b)"),
        ({"names": ["x.org"]}, {"names": ["X.org"]}, "x.org is also that of one (x.org)"),
        ({"names": ["x.org"], "paths": ["/a"]}, {"names": ["x.org"]}, "x.org is also that of one (x.org/a)"),
    ],
)
def test_a_request_with_two_owners_is_refused(
    make_site: Make, site_data: dict[str, Any], one: dict[str, Any], other: dict[str, Any], said: str
) -> None:
    site_data["edge"] = {"backends": {"one": PAD | one, "other": PAD | other}}
    refused(make_site, site_data, f"edge.backends.other: {said}; give each request one service")


def test_neighbours_are_no_overlap(make_site: Make, site_data: dict[str, Any]) -> None:
    site_data["edge"] = {
        "backends": {
            "one": PAD | {"paths": ["/a"]},
            "two": PAD | {"paths": ["/ab", "/b/a"]},
            "three": PAD | {"names": ["x.org"], "paths": ["/a"]},
            "four": PAD | {"names": ["x.org", "y.org"], "paths": ["/b", "/rtc"]},
        }
    }
    make_site(site_data)


def test_a_name_of_turn_is_no_services(make_site: Make, site_data: dict[str, Any]) -> None:
    site_data["edge"] = {"tls": "internal", "backends": {"pad": PAD | {"names": ["lk1.turn.example.org"]}}}
    site_data["livekit"] = {"turn": {"domain": "{host}.turn.example.org"}}
    refused(
        make_site,
        site_data,
        "livekit.turn.domain: 'lk1.turn.example.org' is also a name of edge.backends.pad; give TURN one of its own: "
        "names tell them apart",
    )


def test_names_of_services_are_in_every_certificate(make_site: Make, site_data: dict[str, Any]) -> None:
    site_data["edge"] = {
        "tls": "internal",
        "domain": "call.example.org",
        "backends": {"pad": PAD | {"names": ["Pad.example.org"]}},
    }
    site = make_site(site_data)
    assert all(certificate.covers("pad.example.org") for certificate in site.served.values())
    site_data["edge"]["tls"] = "acme"
    acme = make_site(site_data | {"acme": {"email": "ops@example.org"}}).for_host("lk2").acme
    assert acme.names_here == ("call.example.org", "pad.example.org")


def test_a_ca_file_that_is_none_is_refused(make_site: Make, site_data: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate\n")
    backend = PAD | {"paths": ["/pad"], "tls": True, "tls_name": "pad.lan", "ca_file": "ca.pem"}
    site_data["edge"] = {"backends": {"pad": backend}}
    where = f"{tmp_path}/ca.pem has no certificate in PEM"
    refused(make_site, site_data, f"edge.backends.pad.ca_file: {where}; name the one of its CA")
