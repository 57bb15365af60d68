"""egress' files: parsed back, compared with the site; its shell texts tried out."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.egress.settings import Settings
from livekit_metal.roles.egress.storage import S3, Storage
from livekit_metal.roles.egress.tasks import Egress
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.files import File, text
from livekit_metal.site.model import Site
from tests.support.values.sites import carrying

RELEASE = "/opt/x/1.14.1-abc"
EXPOSURE = {"sdk": 2.0, "full": 2.6}  # of systemd-analyze security, where 10 is a bare process
HIDDEN = 'a"secret\\of'
Made = tuple[Generation, tuple[File, ...]]


@pytest.fixture
def egress(any_site: Site) -> Settings:
    """As on a host that records into a bucket."""
    made = carrying(any_site, "egress").for_host("lk1").egress
    store = Storage(prefix="site/", s3=S3(bucket="recordings", endpoint="http://192.0.2.9:9000", access_key="AK"))
    return dataclasses.replace(made, storage=store, storage_secret=Secret("egress-s3.password", HIDDEN))


@pytest.fixture
def generation(egress: Settings) -> Made:
    return Egress(egress).generation(RELEASE)


def by_name(generation: Made) -> dict[str, str]:
    return {f.path.rsplit("/", 1)[1]: f.text for f in generation[1]}


def test_every_slot_has_its_own_ports_and_its_own_scratch(egress: Settings, generation: Made) -> None:
    for slot in egress.slots:
        config = yaml.safe_load(by_name(generation)[f"{slot}.yaml"])
        for key, name in (("health_port", "health"), ("prometheus_port", "metrics"), ("template_port", "template")):
            assert config[key] == egress.part(name, slot).first
        assert config["redis"]["address"] == egress.redis.address
        bound = re.findall(r"^BindPaths=-(.*)$", by_name(generation)[f"slot-{slot}.conf"], re.MULTILINE)
        assert f"{egress.state}/%i:/home/egress/tmp" in bound


def test_secrets_are_read_back_and_stand_nowhere_else(any_site: Site, egress: Settings, generation: Made) -> None:
    vault = any_site.vault
    assert vault is not None
    config = yaml.safe_load(by_name(generation)[f"{egress.slots[0]}.yaml"])
    assert (config["api_key"], config["api_secret"]) in [(k, s.reveal()) for k, s in vault.daemon_keys.items()]
    assert config["redis"]["password"] == vault.passwords("redis-egress")[0].reveal()
    assert config["storage"]["s3"]["secret"] == HIDDEN
    secret_files = {f.path.rsplit("/", 1)[1]: (f.mode, f.group) for f in generation[1] if f.secret}
    assert secret_files == {f"{slot}.yaml": ("640", "livekit-egress") for slot in egress.slots}
    open_texts = "".join(f.text for f in generation[1] if not f.secret)
    assert not [value for value in (*vault.every_value(), HIDDEN) if value in open_texts]


def test_a_failed_upload_leaves_the_file_on_the_host_unless_that_is_unwanted(egress: Settings) -> None:
    assert egress.config(egress.slots[0])["backup"] == {"prefix": f"{egress.state_root}/egress/backup"}
    assert "backup" not in dataclasses.replace(egress, backup=False).config(egress.slots[0])


def test_without_a_store_files_stay_in_a_place_of_their_own(egress: Settings) -> None:
    config = dataclasses.replace(egress, storage=Storage()).config(egress.slots[0])
    assert config["storage"] == {"prefix": f"{egress.state}/files"}


def test_days_are_told_in_seconds(egress: Settings) -> None:
    """Go's ParseDuration knows no days."""
    from livekit_metal.core.types.duration import Duration  # noqa: PLC0415

    limits = dataclasses.replace(egress.limits, file_duration=Duration.parse("2d"), file_mb=3)
    config = dataclasses.replace(egress, limits=limits).config(egress.slots[0])["session_limits"]
    assert (config["file_output_max_duration"], config["file_output_max_size"]) == ("172800s", 3 << 20)


def test_presets_reach_livekit_server(any_site: Site) -> None:
    site = dataclasses.replace(
        any_site,
        egress=dataclasses.replace(any_site.egress, presets={"tracks": "{room_name}/{track_id}"}),
        hosts={
            **any_site.hosts,
            "lk1": dataclasses.replace(any_site.hosts["lk1"], roles=("livekit", "egress", "redis")),
        },
    )
    livekit = site.for_host("lk1").livekit
    assert livekit is not None
    expected = {"tracks": {"egress": {"tracks": {"filepath": "{room_name}/{track_id}"}}}}
    assert livekit.config(livekit.slots[0])["room"]["room_configurations"] == expected


@pytest.mark.parametrize(
    ("source", "profile"), [("file", "sdk"), ("image", "sdk"), ("image", "full"), ("file", "full")]
)
def test_units_are_sound_for_systemd_and_tight(
    egress: Settings, verify_unit: Callable[[str, str], float], source: str, profile: str
) -> None:
    chosen = dataclasses.replace(egress, source=source, profile=profile)  # type: ignore[arg-type]
    slot = chosen.slots[0]
    drop_in = by_name(Egress(chosen).generation(RELEASE))[f"slot-{slot}.conf"].replace("ExecStart=\n", "", 1)
    # the root of an image is not where the tests run
    assert (f"RootDirectory={RELEASE}/rootfs\n" in drop_in) == (source == "image")
    drop_in = re.sub(r"^RootDirectory=.*\n", "", drop_in, flags=re.MULTILINE)
    unit = Egress(chosen).units[0].text.replace("ExecStart=/bin/false\n", drop_in, 1)
    assert verify_unit(f"livekit-egress@{slot}.service", unit) <= EXPOSURE[profile]


def test_a_browser_gets_what_upstreams_entrypoint_gives_it(egress: Settings) -> None:
    """A PulseAudio of its own, a home of the slot's own, and the program as the main process of the unit."""
    chosen = dataclasses.replace(egress, source="image", profile="full")
    slot = chosen.slots[0]
    drop_in = by_name(Egress(chosen).generation(RELEASE))[f"slot-{slot}.conf"]
    (start,) = [line for line in drop_in.splitlines() if line.startswith("ExecStart=/")]
    assert re.search(r"pulseaudio -D .*\|\| exit 1; exec egress --config \S+/\w+\.yaml'$", start)
    assert f"BindPaths=-{chosen.state}/%i-home:/home/egress\n" in drop_in
    assert '"$state/$1-home"' in text("egress/tidy.sh.j2", egress=chosen)
    assert chosen.config(slot)["pulse_sink_reap_grace_sec"] == 0


@pytest.mark.parametrize("name", ["tidy.sh", "end.sh"])
def test_scripts_are_understood_by_the_shell(generation: Made, name: str) -> None:
    subprocess.run(["sh", "-n"], input=by_name(generation)[name], text=True, check=True)


def test_what_a_kill_leaves_is_kept_and_named_and_nothing_of_another_slot_is_touched(
    egress: Settings, tmp_path: Path
) -> None:
    mine, other = (tmp_path / "egress" / slot for slot in egress.slots[:2])
    for path in (mine / "EG_cut" / "x.ogg", mine / "NE_old" / "sock", other / "EG_runs" / "y.ogg"):
        path.parent.mkdir(parents=True)
        path.write_text("sound")
    (mine / "EG_empty").mkdir()
    script = text("egress/tidy.sh.j2", egress=dataclasses.replace(egress, state_root=str(tmp_path)))
    script = re.sub(r"install -d -m 700 -o \S+ -g \S+", "mkdir -p", script)  # no such user where the tests run
    script = script.replace(egress.as_user, "")
    done = subprocess.run(["sh", "-s", egress.slots[0]], input=script, capture_output=True, text=True, check=True)
    assert (tmp_path / "egress/cut-short/EG_cut/x.ogg").read_text() == "sound"
    assert "<3>recording EG_cut was cut short; what there is of it: " in done.stdout
    assert "<3>recording EG_empty was cut short; nothing of it was written yet" in done.stdout
    assert [p.name for p in mine.iterdir()] == []
    assert (other / "EG_runs" / "y.ogg").exists()
