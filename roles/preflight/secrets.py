"""Whether the secrets file is this host's, and no older than what the host was deployed with. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from livekit_metal.core.errors import Problem
from livekit_metal.roles.preflight.finding import Finding, finding, one
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.runtime.host.state import HostState
from livekit_metal.vault.certificate import address

_ANYWAY = "--data secrets=older deploys this one all the same"


def secrets(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """An older file would make retired keys valid again, and take the current ones from applications."""
    theirs, file = one(seen, "fingerprint").partition(" ")[0], settings.secrets_file
    if theirs and theirs != settings.fingerprint:
        fact = f"the host was set up with other secrets (fingerprint {theirs}, here {settings.fingerprint})"
        yield finding(settings, "secrets", fact, f"bring {file} and its key from the machine that deployed last")
        return
    here, there, stops = settings.secrets.serial, serial(seen), not settings.older_secrets
    match settings.secrets.against(one(seen, "serial")):
        case "older":
            fact = f"{file} is older than what the host was deployed with (serial {here}, there {there})"
            remedy = "bring the newest one: from version control (git pull), or from the machine that deployed last"
            yield finding(
                settings,
                "secrets",
                fact,
                f"{remedy}; {_ANYWAY}, and what was retired since is valid again",
                stops=stops,
            )
        case "apart":
            fact = f"{file} (serial {here}) and the file that the host was deployed with (serial {there}) went apart"
            remedy = (
                "each has changes that the other lacks; take both: python -m procedures.secrets INVENTORY unite FILE"
            )
            yield finding(settings, "secrets", fact, f"{remedy}, where FILE is the other one; {_ANYWAY}", stops=stops)


def apart(settings: Settings, seen: HostState, in_run: Collection[str]) -> Iterator[Finding]:
    """A daemon may use a key of its own when every livekit-server that its edge may lead to knows it."""
    if not one(seen, "fingerprint"):
        return  # nothing of ours is here yet: all of it comes with this deploy
    there, again = serial(seen), "python -m procedures.secrets INVENTORY"
    if there < settings.apart:
        fact = "the daemons beside livekit-server are to use an API key of their own, and this host was last deployed "
        fact += f"before it was made (serial {there}, {settings.apart} is needed)"
        remedy = f"deploy once before: {again} join daemons, then pyinfra INVENTORY deploy.py, then {again}"
        yield finding(settings, "secrets", fact, f"{remedy} separate daemons")
    unseen = [name for name in settings.nodes if name not in in_run]
    if settings.first_apart and there <= settings.first_apart and unseen:
        fact = "its daemons are about to use an API key of their own, and this run does not see whether "
        fact += f"{', '.join(unseen)} has it"
        yield finding(settings, "secrets", fact, "deploy without --limit, this once")


def signed(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """The CA of a site signs for what the site was when it was made."""
    needed = [name for name in settings.unsigned if not settings.named or address(name) is None]
    remedy = "make a CA that may: python -m procedures.secrets INVENTORY rotate ca, and do as it says"
    if needed:
        fact = f"the site's CA may not sign for {', '.join(needed)}: clients would refuse {settings.host}"
        yield Finding(Problem("edge.tls", fact, remedy))
    elif settings.unsigned:
        fact = (
            f"the site's CA may not sign for {', '.join(settings.unsigned)}: {settings.host} is reached by name alone"
        )
        yield Finding(Problem("edge.tls", fact, remedy), stops=False)
    yield from (Finding(problem, stops=False) for problem in settings.words)


def serial(seen: HostState) -> int:
    """That of the file that the host was deployed with; 0: of an earlier version, or none."""
    found = one(seen, "serial").partition(" ")[0]
    return int(found) if found.isdecimal() else 0
