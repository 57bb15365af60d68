"""Whether other services behind the edge (edge.backends) are reached through it, each by its names and its paths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from livekit_metal.core import shell
from livekit_metal.core.check_result import CheckResult, failed
from livekit_metal.roles.edge.services import Backend
from livekit_metal.roles.edge.settings import Settings
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.slots import active_slot
from livekit_metal.site.model import HostStack

_ASK = shell.program(__file__, "backends")
_PROBE, _KNOWN = "doctor.backends", "doctor.services"
_AWAY = {"502", "503", "504"}  # what HAProxy says when it gets nothing from a service
_NONE = "000"  # curl: no answer


@dataclass(frozen=True, slots=True)
class _Request:
    """One that is a service's: as clients make it, and as it gets there."""

    key: str
    service: Backend
    url: str
    edge: str
    itself: str

    @property
    def is_health(self) -> bool:
        """Whether it is what the edge asks to see that the service is well."""
        return bool(self.service.check) and self.itself.endswith(self.service.check)

    @property
    def words(self) -> tuple[str, ...]:
        return (self.url, f"::{self.edge}", self.itself, f"::{self.service.server}")


def _requests(settings: Settings) -> Iterator[_Request]:
    """For each name and each path of every service."""
    if not settings.public:
        return
    door = "https" if settings.serves_tls else "http"
    edge = settings.answers_at(door)
    for key, service in settings.backends.items():
        for name in service.names or (settings.domain or edge.rpartition(":")[0],):
            for path in service.paths or ("",):
                asked, got = _paths(service, path)
                scheme = "https" if service.tls else "http"
                yield _Request(key, service, f"{door}://{name}{asked}", edge, f"{scheme}://{name}{got}")


def _paths(service: Backend, path: str) -> tuple[str, str]:
    """A path below ``path`` as clients ask for it, and as the service gets it: that of its health, if it is there."""
    if service.strip:
        below = service.check or "/"
        return f"{path}{below}", below
    there = not path or service.check == path or service.check.startswith(f"{path}/")
    asked = service.check if service.check and there else path or "/"
    return asked, asked


def needs(settings: Settings) -> StateQuery:
    """What to look at on a host."""
    words = [word for request in _requests(settings) for word in request.words]
    if not words:
        return StateQuery()
    known = f"{active_slot.question(settings.active, 'show servers state')} | awk '{{ print $2 }}' | sort -u"
    return StateQuery(queries=((_PROBE, f"(\n{shell.given(_ASK, *words)})"), (_KNOWN, known)))


def checks(stack: HostStack, settings: Settings, seen: HostState) -> Iterator[CheckResult]:
    """A row for each request, asked at the edge of the host itself."""
    answers = {line.split()[2]: line.split()[:2] for line in seen.answers.get(_PROBE, ())}
    for request in _requests(settings):
        through, itself = answers.get(request.url, [_NONE, _NONE])
        if f"service_{request.key}" not in seen.answers.get(_KNOWN, ()):
            fact = f"{request.key}: the running HAProxy does not know it"
            yield failed("backend", stack.host, stack.host, fact, "deploy: the edge has another configuration")
        elif found := _wrong(request, through, itself):
            yield failed("backend", stack.host, stack.host, *found)
        else:
            said = f"{request.key}: {request.url} answers (HTTP {through})"
            yield CheckResult(check="backend", about=stack.host, vantage=stack.host, said=said)


def _wrong(request: _Request, through: str, itself: str) -> tuple[str, str] | None:
    """Fact and remedy, where a request does not get there."""
    what, server = f"{request.key}: {request.url}", request.service.server
    setting = f"edge.backends.{request.key}"
    if through == _NONE:
        return f"{what}: the edge does not answer", "journalctl -u livekit-edge; then deploy"
    if through in _AWAY and itself == _NONE:
        return f"{what}: nobody answers at {server}", f"see that it runs there and listens, or correct {setting}.server"
    if through in _AWAY and through != itself:
        fact = f"{what}: HTTP {through}, and {server} itself answers (HTTP {itself})"
        return fact, f"the edge takes it for dead: see {setting}.check, and with tls its certificate for tls_name"
    if request.is_health and not "200" <= through <= "399":
        fact = f"{what}: HTTP {through}, where {request.service.check} should say that it is well"
        return fact, f"see {server} (it says HTTP {itself} itself), or deploy: the edge may have another configuration"
    return None
