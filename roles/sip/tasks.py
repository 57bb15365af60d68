"""livekit-sip: prepare brings release and generation to the host, activate has new calls go to them."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from roles._kit import files, guard, prepared
from roles._kit.artifact import Artifact
from roles._kit.component import Component
from roles._kit.files import File
from roles._kit.generation import Generation
from roles._kit.plan import Part
from roles._kit.service import UNITS
from roles._kit.slot import Change
from roles._kit.slotted import Daemon
from roles._kit.stage import stage
from roles.sip import occupancy
from roles.sip.generation import make, root
from roles.sip.proof import Proof
from roles.sip.settings import MEDIA_TIMEOUT, PROGRAM, UNIT, Settings
from stack.duration import Duration
from stack.errors import Problem

# New calls go to the slot whose line this is: Kamailio is told by the program that reads it there.
_TELL = 'write ${{slot:+"$component $slot"}}\n/bin/sh {}\n'
# At the deadline, $slot and $unit: a second signal would be ignored, so the calls' media is shut off, and livekit-sip
# hangs up with BYE as it does with everybody who has gone silent. Its unit removes the table when it has ended.
_FINISH = r"""f=$(readlink "/etc/systemd/system/$unit.d/50-generation.conf")
r=$(sed -n "s/^slot $slot .* rtp //p" "${f%/*}/ports"); [ -n "$r" ] || exit 0
nft -f - <<EOF
table inet livekit_metal_finish_sip_$slot {
  chain media { type filter hook prerouting priority -310; policy accept; udp dport $r drop; }
}
EOF"""


def desired(settings: Settings) -> tuple[Artifact, Generation, tuple[File, ...]]:
    """What the site asks for: the program, and the generation with its files."""
    missing = settings.redis.missing()
    if settings.missing:
        remedy = f"store it: python -m procedures.secrets INVENTORY set {settings.missing[0]}"
        missing = Problem("sip", f"{' and '.join(settings.missing)} not among the secrets", remedy)
    elif settings.wrong:
        missing = settings.wrong[0]
    artifact = prepared.fetched(settings.wanted(), settings.arch, settings.lock_file, missing)
    return artifact, *make(settings, prepared.directory(settings.release_root, PROGRAM, artifact))


def daemon(settings: Settings, generation: Generation | None = None) -> Daemon:
    """livekit-sip in its slots, to run ``generation`` (None: nothing is to be started)."""
    proof, tell = Proof(settings, generation or Generation("", "", "")), _TELL.format(settings.dispatch)
    return Daemon(
        component="sip",
        unit=UNIT,
        slots=settings.slots,
        root=root(settings),
        releases=f"{settings.release_root}/{PROGRAM}",
        change=Change(
            component="sip",
            unit=UNIT,
            active=settings.active,
            deadline=settings.drain.deadline,
            flip=tell,
            close=tell,
            signal="SIGTERM",
            finish=_FINISH,
            grace=Duration(MEDIA_TIMEOUT + 30),  # it looks every 5 s whether calls are left
        ),
        check=proof.check,
        alone=None,  # without Redis it does not start
        ready=proof.ready,
        refresh=settings.refresh,
    )


def component(settings: Settings) -> Component:
    """livekit-sip as deploys, rollbacks and maintenance know it."""
    question = occupancy.question(settings, draining=True)
    return Component(
        settings=settings,
        of=component,
        role="sip",
        program=PROGRAM,
        desired=partial(desired, settings),
        daemon=partial(daemon, settings),
        units=(
            File(f"{UNITS}/{UNIT.format('')}", files.text("sip/livekit-sip@.service.j2", sip=settings)),
            *guard.Guard(settings.config_root).files,
        ),
        question=question,
        words=question.closing,
        total=question.total,
    )


def prepare(settings: Settings, accept: Collection[str] = (), *, accept_skip: bool = False) -> None:
    """Bring the program and the generation to the host; nothing that runs is touched.

    ``accept`` and ``accept_skip`` as for livekit-server.
    """
    ready = component(settings).prepared()
    plan = partial(ready.plan, accept=accept, accept_skip=accept_skip)
    stage(Part("sip", ready.needs, plan), "livekit-sip: release and generation")


def activate(settings: Settings) -> Part:
    """Have the active slot run the wanted generation: start beside, see that it is ready, hand over, drain."""
    return component(settings).activate()
