"""Settings of egress: bad input, the ports of slots, and the store in the words of two programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import Reach
from livekit_metal.roles.egress.settings import Settings
from livekit_metal.site.model import Site
from tests.support.values.sites import RECORDING
from tests.unit.site.test_site import put

MakeSite = Callable[[dict[str, Any]], Site]
S3 = {"bucket": "recordings", "endpoint": "https://s3.example.com", "access_key": "AK", "force_path_style": True}


@pytest.fixture
def recording(site_data: dict[str, Any]) -> dict[str, Any]:
    site_data["hosts"]["lk1"]["roles"] += ["egress"]
    site_data["egress"] = dict(RECORDING)
    return site_data


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "release",
            "1.13.0",
            "egress.release: egress 1.13.0 is known to be bad: every job has the API secret and the password of Redis "
            "on its command line, for all users of the host to see ",
        ),
        ("file", "", "egress.file: is empty while source is 'file'; set it to the path of the program"),
        ("slots", ["a"], "egress.slots: are ['a']; name two to five different slots"),
        ("health", 7983, "egress.health: has 1 ports for 3 slots; widen it"),
        (
            "health",
            "7986-7988",
            "egress.health: egress/health-a (tcp 7986) overlaps egress/metrics-a (tcp 7986) on lk1; ",
        ),
        ("records", ["track", "video"], "egress.records[1]: is 'video'; choose one of track, track_composite, "),
        (
            "records",
            ["room_composite"],
            "egress.records: room_composite is recorded by a browser, and profile 'sdk' has none; take it off "
            "the list, or choose profile 'full'",
        ),
        (
            "page",
            "https://x.example/",
            "egress.page: is for a browser, and profile 'sdk' has none; choose profile 'full'",
        ),
        ("page", "file:///etc/passwd", "egress.page: 'file:///etc/passwd' is not an http or https URL; "),
        (
            "drain",
            {"finalise": "5s"},
            "egress.drain.finalise: is 5s; 30 s are for the end of a stream: give at least 60s",
        ),
        ("drain", {"deadline": "5s"}, "egress.drain.deadline: is 5s; give recordings at least 10s"),
        (
            "presets",
            {"all": "{room_name}/sound"},
            "egress.presets.all: is '{room_name}/sound', the same name for every track; put ",
        ),
        ("storage", {"s3": {"endpoint": "x"}}, "egress.storage.s3.endpoint: 'x' is not a URL; write scheme"),
        (
            "storage",
            {"s3": S3 | {"endpoint": "s3.example.com"}},
            "egress.storage.s3.endpoint: 's3.example.com' is not a URL; write scheme, host",
        ),
        (
            "storage",
            {"s3": S3, "gcp": {"bucket": "b"}},
            "egress.storage: names s3 and gcp; name one; a request may still choose another",
        ),
        (
            "storage",
            {"s3": S3, "prefix": "/x"},
            "egress.storage.prefix: is '/x'; names in a bucket begin without a slash",
        ),
        ("storage", {"azure": {"account_name": "a"}}, "egress.storage.azure.container_name: is empty; set it"),
        (
            "extra",
            {"logging": {"level": "warn"}},
            "egress.extra.logging.level: is set by livekit-metal; use egress.log_level",
        ),
        ("extra", {"backup": {}, "health_port": 1}, "egress.extra.health_port: is set by livekit-metal; "),
        (
            "extra",
            {"template_base": "https://x.example"},
            "egress.extra.template_base: is set by livekit-metal; use egress.page",
        ),
    ],
)
def test_bad_input_is_told(recording: dict[str, Any], make_site: MakeSite, path: str, value: object, said: str) -> None:
    put(recording, f"egress/{path}", value)
    with pytest.raises(SiteError) as caught:
        make_site(recording)
    assert any(line.startswith(said) for line in str(caught.value).splitlines()), str(caught.value)


def test_who_records_comes_when_somebody_serves(recording: dict[str, Any], make_site: MakeSite) -> None:
    hosts = recording["hosts"]
    hosts["lk1"]["roles"] = ["redis", "egress"]
    with pytest.raises(SiteError) as caught:
        make_site(recording)
    fact = "has the role egress and comes before lk2, the first with livekit"
    assert str(caught.value) == f"hosts.lk1: {fact}; move it behind lk2: it is activated in this order"


def test_a_site_that_records_nothing_needs_no_program(site_data: dict[str, Any], make_site: MakeSite) -> None:
    assert make_site(site_data).for_host("lk1").egress is None


def test_no_port_of_egress_is_reached_from_another_host(recording: dict[str, Any], make_site: MakeSite) -> None:
    """All but one listen on every interface, and health may show the keys of a request's own store."""
    ports = [p for p in make_site(recording).ports("lk1") if p.owner == "egress"]
    assert len(ports) == 3 * len(Settings().slots)
    assert {p.reach for p in ports} == {Reach.LOCAL}


STORES = [
    (
        {"s3": S3},
        {
            "type": "s3",
            "provider": "Other",
            "region": "us-east-1",
            "endpoint": "https://s3.example.com",
            "force_path_style": "true",
            "no_check_bucket": "true",
            "access_key_id": "AK",
            "secret_access_key": "hidden",
        },
        {"bucket": "recordings", "endpoint": "https://s3.example.com", "access_key": "AK", "secret": "hidden"},
    ),
    (
        {"s3": {"bucket": "recordings", "region": "eu-west-1"}},
        {
            "type": "s3",
            "provider": "AWS",
            "region": "eu-west-1",
            "force_path_style": "false",
            "no_check_bucket": "true",
            "env_auth": "true",
        },
        {"bucket": "recordings", "region": "eu-west-1", "force_path_style": False},
    ),
    (
        {"azure": {"account_name": "acc", "container_name": "recordings"}},
        {"type": "azureblob", "account": "acc", "key": "hidden", "no_check_container": "true"},
        {"account_name": "acc", "account_key": "hidden", "container_name": "recordings"},
    ),
    (
        {"gcp": {"bucket": "recordings"}},
        {
            "type": "google cloud storage",
            "service_account_credentials": "hidden",
            "no_check_bucket": "true",
            "bucket_policy_only": "true",
        },
        {"bucket": "recordings", "credentials_json": "hidden"},
    ),
    (
        {"alioss": {"bucket": "recordings", "endpoint": "oss.example.com", "access_key": "AK"}},
        {
            "type": "s3",
            "provider": "Alibaba",
            "endpoint": "oss.example.com",
            "no_check_bucket": "true",
            "access_key_id": "AK",
            "secret_access_key": "hidden",
        },
        {"bucket": "recordings", "endpoint": "oss.example.com", "access_key": "AK", "secret": "hidden"},
    ),
]


@pytest.mark.parametrize(("storage", "rclone", "upstream"), STORES, ids=["s3", "aws", "azure", "gcp", "alioss"])
def test_a_store_is_told_to_both_programs(
    recording: dict[str, Any],
    make_site: MakeSite,
    storage: dict[str, Any],
    rclone: dict[str, str],
    upstream: dict[str, Any],
) -> None:
    recording["egress"]["storage"] = storage
    made = make_site(recording).egress.storage
    assert made.rclone("hidden" if made.wants else "") == rclone
    (block,) = made.config("hidden" if made.wants else "").values()
    assert block | upstream == block
    assert made.container == "recordings"


def test_a_store_that_does_not_answer_is_given_up_before_the_backup_is_late(
    recording: dict[str, Any], make_site: MakeSite
) -> None:
    recording["egress"]["storage"] = {"s3": S3}
    s3 = make_site(recording).egress.storage.config("")["s3"]
    assert (s3["max_retries"], s3["max_retry_delay"]) == (5, "5s"), "upstream's 0 tries a hundred times"
