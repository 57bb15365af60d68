"""What a slot must show: that the store takes files and LiveKit answers, that it runs and takes requests."""

from __future__ import annotations

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.egress import store
from livekit_metal.roles.egress.settings import Settings
from livekit_metal.runtime.artifacts.push import TREE
from livekit_metal.runtime.host.commands import HostError, read
from livekit_metal.runtime.host.wait import ALIVE, journal, until
from livekit_metal.runtime.slots import proof

_ANSWERS = shell.program(__file__, "answers")
_LIVEKIT = shell.program(__file__, "livekit")
_HOLDS = shell.program(__file__, "holds")
_PAGE = shell.program(__file__, "page")
_STARTS, _STARTS_BROWSER = 30.0, 120.0  # s; a browser is tried out before egress starts


class Proof(proof.Proof[Settings]):
    """Of egress."""

    def check(self, host: Host, slot: str) -> None:
        """Before anything starts: the store takes, gives and deletes, and LiveKit answers where egress will look."""
        if self.settings.storage.kind:
            store.prove(host, self.settings, system=self._system)
        if page := self.settings.page:
            try:
                read(host, _PAGE, page, stdin=self.settings.trusted if self.settings.debian else "")
            except HostError as error:
                fact = f"{page} is no page for a browser on {host.name} ({error})"
                raise HostError(f"egress.page: {fact}; correct it, or let the host get there") from error
        url = self.settings.ws_url.replace("ws", "http", 1)
        try:
            read(host, _LIVEKIT, url)
        except HostError as error:
            remedy = "livekit-server must serve on some host first (procedures/status.py)"
            raise HostError(f"egress: LiveKit does not answer at {url} on {host.name} ({error}); {remedy}") from error

    @property
    def _system(self) -> str:
        """The CAs that an image brings: rclone, which is the host's, is to trust what egress in there trusts."""
        image = self.settings.source == "image"
        return f"{self.generation.release}/{TREE}/etc/ssl/certs/ca-certificates.crt" if image else ""

    def ready(self, host: Host, slot: str, fresh: bool) -> None:
        """Its own process has its ports, health answers, it has asked Redis for requests, and it stays so for 5 s."""
        unit = self.unit(slot)
        ports = [self.port(name, slot) for name in ("health", "metrics", "template")]
        within = _STARTS_BROWSER if self.settings.debian else _STARTS
        until(host, f"slot {slot} takes requests", unit, (ALIVE if fresh else "") + _ANSWERS, *ports, within=within)
        if self.settings.debian and not self.settings.page:
            try:
                read(host, _PAGE, f"http://127.0.0.1:{ports[-1]}/", stdin="")
            except HostError as error:
                fact = f"has no page that shows rooms ({error})"
                remedy = "build it with template-default's in cmd/server/templates, or name a page (egress.page)"
                raise HostError(f"egress.file: {fact}; {remedy}") from error
        try:
            read(host, _HOLDS, unit)
        except HostError as error:
            raise HostError(f"slot {slot} of egress did not stay ready: {error}\n{journal(host, unit)}") from error
