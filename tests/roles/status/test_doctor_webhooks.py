"""Webhooks: URLs that cannot be one are refused, and the doctor asks the rest from the host."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.check_result import CheckResult, Result
from livekit_metal.core.errors import SiteError
from livekit_metal.roles.livekit import doctor
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import Site

MakeSite = Callable[[dict[str, Any]], Site]


class _Hook(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(405)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening(certificate: Path | None = None) -> Iterator[int]:
    """The port of an application that takes nothing but POST, with TLS where it has a certificate."""
    server = HTTPServer(("127.0.0.1", 0), _Hook)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked(make_site: MakeSite, data: dict[str, Any], *urls: str) -> list[CheckResult]:
    """The rows, from what the question's own shell text says on this machine."""
    stack = make_site(data | {"livekit": {"webhooks": list(urls)}}).for_host("lk1")
    own = stack.the(Settings)
    ((name, text),) = doctor.needs(own).queries
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    return list(doctor.checks(stack, own, HostState(answers={name: done.stdout.splitlines()})))


@pytest.mark.parametrize(
    "url",
    [
        "host.docker.internal/x",
        "https://app.example.org/hook\t",
        "ftp://app.example.org/",
        "https://",
        "http://a/#b",
        "",
    ],
)
def test_what_cannot_be_a_url_is_refused(make_site: MakeSite, site_data: dict[str, Any], url: str) -> None:
    with pytest.raises(SiteError) as caught:
        make_site(site_data | {"livekit": {"webhooks": [url]}})
    assert str(caught.value).startswith("livekit.webhooks[0]: ")


def test_an_application_that_answers_is_reached_whatever_it_says(
    make_site: MakeSite, site_data: dict[str, Any]
) -> None:
    with listening() as port:
        (row,) = asked(make_site, site_data, f"http://127.0.0.1:{port}/hook?a=1&b=2")
    assert row.result is Result.OK
    assert row.said == f"http://127.0.0.1:{port}/hook?a=1&b=2 answers (HTTP 405)"


def test_names_connections_and_certificates_are_told_apart(
    make_site: MakeSite, site_data: dict[str, Any], tmp_path: Path
) -> None:
    certificate = tmp_path / "hook.pem"
    made = "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=localhost -addext"
    files = ["subjectAltName=DNS:localhost", "-keyout", str(certificate), "-out", str(tmp_path / "chain")]
    subprocess.run([*made.split(), *files], check=True, capture_output=True)
    certificate.write_text(certificate.read_text() + (tmp_path / "chain").read_text())
    with listening(certificate) as port:
        rows = asked(
            make_site, site_data, "http://no-such-name.invalid/", "http://127.0.0.1:1/", f"https://localhost:{port}/"
        )
    assert [row.result for row in rows] == [Result.FAILED] * 3
    assert [row.remedy.split()[0] for row in rows] == ["correct", "see", "name"]
    assert "no webhook gets from here to http://no-such-name.invalid/: Could not resolve host" in rows[0].said


def test_without_webhooks_nothing_is_asked(cluster: Site) -> None:
    stack = cluster.for_host("lk1")
    assert doctor.needs(stack.the(Settings)).queries == ()
    assert list(doctor.checks(stack, stack.the(Settings), HostState())) == []
