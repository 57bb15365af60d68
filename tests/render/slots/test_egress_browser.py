"""Debian's browser for egress: what starts before it, what stands in for its programs, what it may do."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from livekit_metal.roles.egress import debian
from livekit_metal.roles.egress.settings import Settings
from livekit_metal.roles.egress.tasks import Egress
from livekit_metal.runtime.host.files import File
from livekit_metal.site.model import Site
from tests.support.values.sites import carrying

RELEASE = "/opt/x/1.14.1-abc"
SAID = "DevTools listening on ws://127.0.0.1:1/x"


@pytest.fixture
def egress(any_site: Site) -> Settings:
    made = carrying(any_site, "egress").for_host("lk1").egress
    return dataclasses.replace(made, source="file", profile="full")


def files(egress: Settings) -> dict[str, File]:
    return {"/".join(f.path.split("/")[-2:]): f for f in Egress(egress).generation(RELEASE)[1]}


def text(egress: Settings, name: str) -> str:
    return next(f.text for path, f in files(egress).items() if path.endswith(f"/{name}"))


def program(directory: Path, name: str, shell: str) -> Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{shell}\n")
    path.chmod(0o755)
    return path


def test_a_slot_has_a_home_programs_and_policies_of_its_generation(egress: Settings) -> None:
    slot, found = egress.slots[0], files(egress)
    drop_in = text(egress, f"slot-{slot}.conf")
    directory = next(f.path for name, f in found.items() if name.endswith("/start.sh")).removesuffix("/start.sh")
    for line in (
        f"Environment=PATH={RELEASE}:{directory}/bin:/usr/bin:/bin",
        f"Environment=GST_PLUGIN_PATH={directory}/gstreamer",
        f"ExecStart=/bin/sh {directory}/start.sh {directory}/{slot}.yaml",
        f"BindReadOnlyPaths={directory}/policies:/etc/chromium/policies/managed",
        f"BindPaths=-{egress.state}/%i-home:/home/egress",
    ):
        assert f"\n{line}\n" in drop_in
    assert {found[f"bin/{name}"].mode for name in ("chromium", "Xvfb")} == {"755"}
    config = yaml.safe_load(text(egress, f"{slot}.yaml"))
    assert config["enable_chrome_sandbox"] is True
    assert "template_base" not in config
    page = dataclasses.replace(egress, page="https://pages.example.com/room")
    assert yaml.safe_load(text(page, f"{slot}.yaml"))["template_base"] == page.page


def test_without_a_browser_and_with_that_of_an_image_nothing_of_it_is_there(egress: Settings) -> None:
    for other in (dataclasses.replace(egress, profile="sdk"), dataclasses.replace(egress, source="image")):
        assert not [name for name in files(other) if name.endswith(("start.sh", "chromium", "Xvfb", "faac.py"))]
        assert not set(debian.BROWSER) & set(other.packages)
        assert "enable_chrome_sandbox" not in yaml.safe_load(text(other, f"{other.slots[0]}.yaml"))


def started(
    egress: Settings, directory: Path, *, browser: str, sound: str = "exit 0"
) -> subprocess.CompletedProcess[str]:
    """start.sh with programs that do as told; what is said of a busy machine's minutes is seconds here."""
    own = directory / "bin"
    own.mkdir()
    script = text(egress, "start.sh").replace("+ 30)", "+ 1)").replace("+ 60)", "+ 2)")
    chromium = program(own, "debians-chromium", browser)
    for name, shell in {
        "pulseaudio": "exec sleep 30",
        "pactl": sound,
        "Xvfb": "exec sleep 30",
        "egress": 'echo "egress $*"; exit 0',
    }.items():
        program(own, name, shell)
    script = script.replace("/usr/bin/chromium", str(chromium)).replace("/tmp/.X11-unix", str(directory / "x"))
    environment = os.environ | {
        "PATH": f"{own}:{os.environ['PATH']}",
        "HOME": str(directory),
        "XDG_RUNTIME_DIR": str(directory / "run"),
        "TMPDIR": str(directory),
    }
    process = subprocess.Popen(
        ["sh", "-s", "/x/a.yaml"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        assert process.stdin
        process.stdin.write(script)
        process.stdin.close()
        status = process.wait(60)
        os.killpg(process.pid, signal.SIGKILL)  # PulseAudio, which a unit's end takes along
        assert process.stdout
        assert process.stderr
        return subprocess.CompletedProcess("start.sh", status, process.stdout.read(), process.stderr.read())
    finally:
        process.stdout.close() if process.stdout else None
        process.stderr.close() if process.stderr else None


def test_egress_starts_when_sound_and_browser_were_tried(egress: Settings, tmp_path: Path) -> None:
    done = started(egress, tmp_path, browser=f'echo "$*" >"{tmp_path}/words"; echo "{SAID}" >&2; exec sleep 30')
    assert (done.returncode, done.stdout) == (0, "egress --config /x/a.yaml\n"), done.stderr
    words = (tmp_path / "words").read_text()
    assert "--no-sandbox" not in words, "what is tried is the browser with its sandbox"
    assert "rlimit-nofile = -1" in (tmp_path / "run" / "daemon.conf").read_text()
    assert not list(tmp_path.glob("tmp.*")), "the profile of the try is gone"


@pytest.mark.parametrize(
    ("browser", "sound", "said"),
    [
        ("echo No usable sandbox! >&2; exit 1", "exit 0", "No usable sandbox!\n<3>the browser does not start; "),
        ("exec sleep 30", "exit 0", "<3>the browser does not start; "),
        ("exit 0", "exit 1", "<3>PulseAudio does not answer; "),
    ],
)
def test_what_a_browser_lacks_is_told_and_egress_does_not_start(
    egress: Settings, tmp_path: Path, browser: str, sound: str, said: str
) -> None:
    done = started(egress, tmp_path, browser=browser, sound=sound)
    assert (done.returncode, done.stdout) == (1, "")
    assert said + "rooms and web pages cannot be recorded\n" in done.stderr


@pytest.mark.parametrize(("display", "told"), [("60", True), ("0", False)])
def test_a_recording_is_told_when_its_browser_dies_and_its_display_does_not(
    egress: Settings, tmp_path: Path, display: str, told: bool
) -> None:
    """egress kills both when a recording ends."""
    real = program(tmp_path, "real", "exit 0")
    shutil.copy(shutil.which("sleep") or "", tmp_path / "Xvfb")
    own = text(egress, "chromium").replace("/usr/bin/chromium", str(real)).replace("sleep 5", "sleep 1")
    program(tmp_path, "chromium", own.removeprefix("#!/bin/sh\n"))
    program(tmp_path, "logger", f'echo "$*" >"{tmp_path}/logged"')
    program(tmp_path, "pgrep", f'/usr/bin/pgrep "$@"; s=$?; touch "{tmp_path}/asked"; exit $s')
    naps = "sleep {} >/dev/null & wait $!"
    waits = f'until [ -e "{tmp_path}/asked" ]; do {naps.format(0.1)}; done; {naps.format(60 if told else 2)}'
    begins = f'trap "echo INT; exit" INT; "{tmp_path}/Xvfb" {display} >/dev/null & "{tmp_path}/chromium" --kiosk'
    recording = f"{begins}; {waits}"
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(  # a shell traps no signal that was ignored when it began
        ["env", "--default-signal=INT", "sh", "-c", recording],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    assert (done.stdout == "INT\n") is told, done
    assert (tmp_path / "logged").exists() is told


def test_a_display_is_no_abstract_socket(egress: Settings, tmp_path: Path) -> None:
    real = program(tmp_path, "real", 'printf "%s\\n" "$@"')
    own = program(tmp_path, "Xvfb", text(egress, "Xvfb").replace("/usr/bin/Xvfb", str(real)))
    words = [":7", "-screen", "0", "640x360x24", "-ac", "-nolisten", "tcp", "-nolisten", "unix"]
    said = subprocess.check_output([own, *words], text=True).splitlines()
    assert said == [*words[:-1], "local"]


def test_pages_have_no_files_and_only_the_sites_own_may_reach_the_edge(egress: Settings) -> None:
    policies = json.loads(text(egress, "livekit-metal.json"))
    assert "file://*" in policies["URLBlocklist"]
    assert "LocalNetworkAccessAllowedForUrls" not in policies
    assert "CACertificates" not in policies
    ca = "-----BEGIN CERTIFICATE-----\nQUJD\nREVG\n-----END CERTIFICATE-----\n"
    own = dataclasses.replace(egress, page="https://pages.example.com/room", trusted=ca * 2)
    policies = json.loads(text(own, "livekit-metal.json"))
    assert policies["LocalNetworkAccessAllowedForUrls"] == ["https://pages.example.com/room"]
    assert policies["CACertificates"] == ["QUJDREVG"] * 2


def test_the_encoder_has_the_name_and_the_property_that_egress_asks_for(egress: Settings) -> None:
    source = text(egress, "faac.py")
    found = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
    assert "bitrate" in found
    assert '__gstelementfactory__ = ("faac",' in source
