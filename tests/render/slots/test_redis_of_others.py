"""A Redis of somebody else, and a CA of one's own: all of it reaches each daemon in slots, into an image too."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from livekit_metal.core import shell
from livekit_metal.core.errors import SiteError
from livekit_metal.roles.egress import store
from livekit_metal.roles.egress.tasks import Egress
from livekit_metal.runtime.slots.components import components
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.site.loading import every_role
from livekit_metal.site.model import Site
from livekit_metal.vault import certificates
from tests.render.walked import everything

DAEMONS = [role.name for role in every_role() if role.slots]
RELEASE = "/opt/x/1.2.3-abc"
SENTINELS = {
    "sentinels": ["10.0.0.5:26379", "10.0.0.6:26379"],
    "sentinel_master": "lk",
    "sentinel_user": "watcher",
    "sentinel_password": True,
    "user": "lk",
    "db": 5,
    "tls": True,
    "ca_file": "/etc/redis-ca.pem",
    "client_certificate": "/etc/redis-client.pem",
    "client_key": "/etc/redis-client.key",
}
PASSWORDS = {"redis-external": "of redis", "redis-external-sentinel": "of sentinels"}
MakeSite = Callable[[dict[str, Any]], Site]


@pytest.fixture
def ca(tmp_path: Path) -> str:
    """A CA, in a file beside the inventory."""
    made = certificates.authority("ca", "somebody's CA", time.time()).chain
    (tmp_path / "cas.pem").write_text(made)
    return made


def _site(make_site: MakeSite, stored: Iterable[str] = PASSWORDS, **more: Any) -> Site:
    data = everything() | {"redis": {"external": SENTINELS}} | more
    for host in data["hosts"].values():
        host["roles"] = [role for role in host["roles"] if role != "redis"]
    site = make_site(data)
    assert site.vault
    for name in stored:
        site.vault.set_password(name, PASSWORDS[name])
    return site


def _of(site: Site, role: str) -> SlottedDaemon[Any]:
    return components(site.for_host("lk1"))[role]


@pytest.mark.parametrize("role", DAEMONS)
def test_sentinels_database_and_certificate_reach_it(make_site: MakeSite, role: str) -> None:
    daemon = _of(_site(make_site), role)
    files = {file.path.rpartition("/")[2]: file for file in daemon.generation(RELEASE)[1]}
    config = files["a.yaml" if "a.yaml" in files else f"{daemon.settings.slots[0]}.yaml"]
    redis = yaml.safe_load(config.text)["redis"]
    password = {"password": "of redis"} if role != "livekit" else {}
    assert redis == password | {
        "username": "lk",
        "db": 5,
        "sentinel_master_name": "lk",
        "sentinel_addresses": SENTINELS["sentinels"],
        "sentinel_username": "watcher",
        "sentinel_password": "of sentinels",
        "read_timeout": 2000,
        "write_timeout": 2000,
        "tls": {
            "enabled": True,
            "ca_cert_file": "/etc/redis-ca.pem",
            "client_cert_file": "/etc/redis-client.pem",
            "client_key_file": "/etc/redis-client.key",
        },
    }
    assert (config.secret, config.mode) == (True, "640")
    if role == "livekit":
        assert "REDIS_PASSWORD=" in files["environment"].text


@pytest.mark.parametrize("name", ["redis-external", "redis-external-sentinel"])
def test_a_password_that_nobody_stored_is_named(make_site: MakeSite, name: str) -> None:
    site = _site(make_site, stored=[each for each in PASSWORDS if each != name])
    found = _of(site, "livekit").missing()
    setting = "password" if name == "redis-external" else "sentinel_password"
    remedy = f"store it: python -m procedures.secrets INVENTORY set {name}"
    assert str(found) == f"redis.external.{setting}: is not among the secrets; {remedy}"


def test_what_egress_reads_for_redis_is_in_its_image(make_site: MakeSite) -> None:
    daemon = _of(_site(make_site), "egress")
    image = Egress(dataclasses.replace(daemon.settings, source="image"))
    drop_in = next(
        file for file in image.generation(RELEASE)[1] if file.path.endswith(f"slot-{image.settings.slots[0]}.conf")
    )
    (binds,) = [line for line in drop_in.text.splitlines() if line.startswith("BindReadOnlyPaths=")]
    assert binds.split()[-3:] == ["/etc/redis-ca.pem", "/etc/redis-client.pem", "/etc/redis-client.key"]


@pytest.mark.parametrize("role", DAEMONS)
def test_a_ca_of_ones_own_is_trusted_by_it(make_site: MakeSite, ca: str, role: str) -> None:
    generation, files = _of(_site(make_site, trust="cas.pem"), role).generation(RELEASE)
    (trusted,) = [file for file in files if file.path == f"{generation.directory}/trust/ca.pem"]
    assert (trusted.text, trusted.mode) == (ca, "644")
    for file in files:
        if file.path.endswith(".conf"):
            assert f"\nEnvironment=SSL_CERT_DIR={generation.directory}/trust\n" in file.text, file.path
    without = _of(_site(make_site), role).generation(RELEASE)
    assert not [file for file in without[1] if "SSL_CERT" in file.text or "/trust/" in file.path]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cas.pem: No such file or directory; name a file with certificates that you may read"),
        ("nothing", "cas.pem has no certificate in PEM; write the certificates of CAs into it, and nothing else"),
        ("-----BEGIN PRIVATE KEY-----\n", "cas.pem has a private key in it; write the certificates of CAs into it, "),
    ],
)
def test_a_file_without_cas_is_refused(make_site: MakeSite, tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "cas.pem").write_text(text)
    with pytest.raises(SiteError) as error:
        make_site(everything() | {"trust": "cas.pem"})
    assert str(error.value).startswith(f"trust: {tmp_path}/{said}")


def test_the_store_is_proved_with_the_trust_of_egress(make_site: MakeSite, ca: str, tmp_path: Path) -> None:
    """rclone speaks for egress: with the CAs of its image, and with the site's own, which are gone afterwards."""
    own = _of(_site(make_site, trust="cas.pem"), "egress").settings
    (tmp_path / "bin").mkdir()
    rclone = tmp_path / "bin/rclone"
    rclone.write_text(
        f'#!/bin/sh\necho "$SSL_CERT_FILE" >{tmp_path}/file\ncat "$SSL_CERT_DIR/ca.pem" >{tmp_path}/seen\n'
        f'echo "$SSL_CERT_DIR" >{tmp_path}/dir\necho written\n'
    )
    rclone.chmod(0o755)
    script = f"PATH={tmp_path}/bin:$PATH\n{shell.program(store.__file__, 'rclone', 'prove')}"
    words = ["sh", "-euc", script, "sh", "store:b/x", "written", "", "/image/ca-certificates.crt"]
    subprocess.run(words, input=store._credentials(own), text=True, check=True)
    assert (tmp_path / "seen").read_text() == ca
    assert (tmp_path / "file").read_text() == "/image/ca-certificates.crt\n"
    assert not Path((tmp_path / "dir").read_text().strip()).exists()
