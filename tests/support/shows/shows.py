"""What a browser records: a room, a page, the sound of a room in a layout; and what is in the files.

Of the real egress it is asked by LiveKit's API; of a stand-in, as tests/support/calls/recorder.py does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import numpy as np
from livekit.api import ServerError
from livekit.protocol.egress import (
    EgressInfo,
    EgressStatus,
    EncodedFileOutput,
    EncodingOptions,
    RoomCompositeEgressRequest,
    WebEgressRequest,
)
from livekit.protocol.models import AudioCodec

from livekit_metal.call.access import Access
from livekit_metal.call.server import server_api
from livekit_metal.call.tone import STEPS
from livekit_metal.vault import certificates
from tests.support.calls.recorder import HOST, STAND_IN, Recording, ask, kept, seconds, serving, settings
from tests.support.hosts.lab import over_ssh
from tests.support.programs import recordings
from tests.support.shows.camera import COLOUR, camera

WIDTH, HEIGHT = 640, 360
SMALL = EncodingOptions(width=WIDTH, height=HEIGHT, framerate=10, video_bitrate=500)
STARTS = 180.0  # s: a browser on a busy machine
LEFT, RIGHT = (200, 20, 40), (20, 40, 200)  # RGB, the halves of the page
_HTML = f"""<!doctype html><title>page</title><body style="margin:0;height:100vh;
background:linear-gradient(90deg,rgb{LEFT} 50%,rgb{RIGHT} 50%)"><script>
const sound = new AudioContext(), tone = new OscillatorNode(sound, {{frequency: {STEPS[0]}}});
tone.connect(sound.destination); tone.start();</script>"""
KINDS = {"room": ("h264", "aac"), "page": ("h264", "opus"), "sound": ("opus",)}  # kind -> codecs of its file


_ASKS = """<!doctype html><title>asks</title><script>
const told = (what) => fetch('/told?' + what);
fetch('http://127.0.0.1:{port}/', {{mode: 'no-cors'}}).then(() => told('reached'), () => told('refused'));</script>"""


class Page:
    """A page of two colours and one tone, served on this machine.

    With ``asks`` it is one that says whether it reaches that port of the host's loopback; with ``pem`` (key and
    certificate), it comes over TLS.
    """

    def __init__(self, address: str, *, asks: int = 0, pem: Path | None = None) -> None:
        html, told = _ASKS.format(port=asks) if asks else _HTML, list[str]()
        self.told = told

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/told?"):
                    told.append(self.path.partition("?")[2])
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(html.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((address, 0), Answer)
        if pem:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(pem)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if pem else 'http'}://{address}:{self._server.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def signed(directory: Path, address: str) -> tuple[Path, Path]:
    """A CA, and key and certificate of ``address`` by it: files in ``directory``."""
    ca = certificates.authority("tests", "tests", time.time())
    leaf = certificates.leaf(ca, "tests", [address], 1, time.time())
    paths = directory / "ca.pem", directory / "leaf.pem"
    for path, text in zip(paths, (ca.chain, leaf.pem.reveal()), strict=True):
        path.write_text(text)
    return paths


@dataclass(frozen=True)
class Show(Recording):
    """A recording by a browser."""

    kind: str = ""

    def right(self, least: float) -> None:
        """Assert that the file is whole, lasts ``least`` seconds, and has the pictures and the tone that were there."""
        content = over_ssh(HOST).file(f"{settings().state}/files/{self.file}").content
        with tempfile.NamedTemporaryFile(suffix=Path(self.file).suffix) as copy:
            copy.write(content)
            copy.flush()
            if STAND_IN:
                assert seconds(Path(copy.name)) >= least
                return
            found = _probed(copy.name)
            assert tuple(sorted(s["codec_name"] for s in found["streams"])) == tuple(sorted(KINDS[self.kind])), found
            assert float(found["format"]["duration"]) >= least, found
            read = subprocess.run(
                ["ffmpeg", "-v", "error", "-i", copy.name, "-f", "null", "-"], capture_output=True, check=True
            )
            assert not read.stderr, read.stderr
            at = float(found["format"]["duration"]) / 2
            tone = _tone(copy.name)
            assert tone > 0.2, f"{tone:.0%} of the sound is the tone"
            if self.kind != "sound":
                self._seen(_picture(copy.name, at))

    def _seen(self, picture: np.ndarray) -> None:
        if self.kind == "room":
            share = _close(picture, COLOUR)
            assert share > 0.3, f"the camera fills {share:.0%} of the picture"
        else:
            halves = picture[:, : WIDTH // 2], picture[:, WIDTH // 2 :]
            shares = [_close(half, colour) for half, colour in zip(halves, (LEFT, RIGHT), strict=True)]
            assert min(shares) > 0.9, f"the page fills {shares} of its halves"


def _probed(file: str) -> dict[str, Any]:
    words = ("ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", file)
    found: dict[str, Any] = json.loads(subprocess.check_output(words))
    return found


def _picture(file: str, at: float) -> np.ndarray:
    words = ("ffmpeg", "-v", "error", "-ss", f"{at:.2f}", "-i", file, "-frames:v", "1")
    raw = subprocess.check_output([*words, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
    return np.frombuffer(raw, np.uint8).reshape(HEIGHT, WIDTH, 3)


def _close(picture: np.ndarray, colour: Sequence[int]) -> float:
    """The share of pixels of about a colour: it went through two encoders."""
    return float((np.abs(picture.astype(int) - colour).max(axis=2) < 40).mean())


def _tone(file: str) -> float:
    """How much of the sound's power is at the steps of the tone (20 ms each, so 50 Hz wide): of noise it were 2 %."""
    words = ("ffmpeg", "-v", "error", "-i", file, "-vn", "-ac", "1", "-ar", "48000", "-f", "s16le", "-")
    power = np.abs(np.fft.rfft(np.frombuffer(subprocess.check_output(words), np.int16))) ** 2
    pitch = np.linspace(0, 24000, len(power))
    return float(sum(power[np.abs(pitch - step) < 60].sum() for step in STEPS) / max(power.sum(), 1.0))


async def _asked(access: Access, kind: str, room: str, page: Page, file: str) -> str:
    out = [EncodedFileOutput(filepath=file)]
    async with server_api(access) as api:
        if kind == "page":
            opus = EncodingOptions()
            opus.CopyFrom(SMALL)
            opus.audio_codec = AudioCodec.OPUS
            begun: EgressInfo = await api.egress.start_web_egress(
                WebEgressRequest(url=page.url, file_outputs=out, advanced=opus)
            )
        else:
            begun = await api.egress.start_room_composite_egress(
                RoomCompositeEgressRequest(
                    room_name=room, layout="grid", audio_only=kind == "sound", file_outputs=out, advanced=SMALL
                )
            )
    return begun.egress_id


@asynccontextmanager
async def shows(access: Access, page: Page, kinds: Sequence[str] = tuple(KINDS)) -> AsyncIterator[dict[str, Show]]:
    """One of each kind, all of them running."""
    slot, made = serving(), dict[str, Show]()
    async with AsyncExitStack() as stack:
        room = "" if STAND_IN else await stack.enter_async_context(camera(access))
        for kind in kinds:
            file = f"show-{uuid4().hex[:8]}/{kind}.{'ogg' if kind == 'sound' else 'mp4'}"
            if STAND_IN:
                id_ = uuid4().hex[:8]
                ask(slot, id_, f"{file} {page.url}")
                made[kind] = Show(f"EG_{id_}", file, slot, None, kind)
            else:
                made[kind] = Show(await _asked(access, kind, room, page, file), file, slot, access, kind)
        try:
            for one in made.values():
                await _runs(one)
            yield made
        finally:
            for one in made.values():
                if not one.manifest:
                    with contextlib.suppress(ServerError):  # it has failed, and its test says why
                        await one.stop()


async def _runs(one: Show) -> None:
    if one.access:
        await recordings.until(one.access, one.id, lambda info: info.status == EgressStatus.EGRESS_ACTIVE, STARTS)
        return
    end = time.monotonic() + STARTS
    while not any(f.startswith(f"{one.id}/") for f in kept(one.slot)):
        assert time.monotonic() < end, f"the stand-in does not begin {one.id}"
        await asyncio.sleep(0.2)


def browsers() -> list[int]:
    """The browsers that run on the host, by their process; not the processes of their pages."""
    said: str = over_ssh(HOST).check_output("ps -u livekit-egress -o pid=,args= -ww || :")
    lines = [line.split(maxsplit=1) for line in said.splitlines()]
    return [
        int(pid) for pid, words in lines if words.startswith("/usr/lib/chromium/chromium ") and "--type=" not in words
    ]
