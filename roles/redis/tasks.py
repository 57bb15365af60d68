"""Redis: install is base's; configure, start or change users in the running process, prove by an answer.

A change of users alone restarts nothing. Redis itself says which users it has (``Settings.mark``); those of the ACL
file are then given to it by ``ACL SETUSER``, which leaves every connection as it is. ``ACL LOAD`` would read the file
with fewer rights, but Redis 7.0 closes all connections for it, and livekit-server loses the messages of that moment.
A slot that drains keeps the address and the password it was started with, so both go on working until nobody uses
them any more: a password that was retired stays while Redis has somebody logged in by it, former.py has the address.
Where the process does not let us in (it refuses all of our passwords), and for everything else, Redis is restarted:
measured under a call, 2 s, no gap in the media, and the append-only file keeps the data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from shlex import quote

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.redis import forwarder
from livekit_metal.roles.redis.settings import SERVERS, UNIT, Settings
from livekit_metal.roles.redis.settings import host as host_of
from livekit_metal.roles.redis.state import forward_unit, needs, observed
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import HostError, run
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import UNITS, Service, limits, restart
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.host.wait import until
from livekit_metal.runtime.run.task import Action, Plan, Task

_ANSWERS = shell.program(__file__, "client", "answers")
_SET_USERS = shell.program(__file__, "client", "set-users")
_CONVERT = shell.program(__file__, "convert")


def retire(settings: Settings) -> Task:
    """Close the former addresses when nobody uses any of them. Before the firewall, which then closes their ports."""

    def plan(seen: HostState) -> Plan:
        now = observed(seen)
        running = seen.unit(forward_unit(seen), "ActiveState") == "active"
        if now.former and (now.used or not running):  # one that does not run is started first, for who may need it
            return Plan()
        return Plan(forwarder.end(seen), f"{' and '.join(now.former)} closed" if now.former else "")

    return Task("redis", needs(settings) | forwarder.needs(settings), plan)


def activate(settings: Settings) -> Task:
    """Have Redis run with the wanted settings and users."""
    # where the running Redis keeps its data, if that is elsewhere (-ef: by a link to it is no other place)
    data = f"d=/proc/$(systemctl show -p MainPID --value {UNIT})/cwd; [ $d -ef {quote(settings.data)} ] || readlink $d"
    owners = f"find {quote(settings.data)} -printf '%u\\n' | sort -u"
    queries = (("redis.elsewhere", data), ("redis.owners", owners))
    here = StateQuery(files=frozenset({settings.data}), queries=queries)
    services = _service(settings).needs | forwarder.needs(settings)
    return Task("redis", here | services | needs(settings), partial(_plan, settings))


def _service(settings: Settings) -> Service:
    # only root and Redis may know even the hashes
    users = files.text("redis/users.acl.j2", redis=settings)
    acl = File(settings.acl_file, users, "640", group=settings.account, secret=True)
    config = File(settings.config, files.text("redis/redis.conf.j2", redis=settings))
    unit = File(f"{UNITS}/{UNIT}", files.text("redis/livekit-redis.service.j2", redis=settings))
    return Service(UNIT, (config, unit), reread=(acl,), limits=limits(tasks=128))


def _plan(settings: Settings, seen: HostState) -> Plan:
    _data_is_here(settings, seen)
    now = observed(seen)
    if now.silent:  # not restarted for that: on a host that is short of processors all of the site would pay for it
        raise HostError(
            f"{UNIT} runs and has not answered for 25 s, so what it runs with is not known; look at it (`journalctl -u "
            f"{UNIT}`) and at the load of the host, `systemctl restart {UNIT}` if it hangs, then run the same again"
        )
    left = sorted({*now.former, *now.leaves} - {*settings.listens})
    settings = dataclasses.replace(settings, former=tuple(left), retired=now.retired)
    service, answers = _service(settings), partial(_answers, settings=settings)
    users = _users(settings, service, seen, now.users)
    steps = _convert(settings, service, seen)
    steps += files.directory(settings.data, seen, mode="750", user=settings.account, group=settings.account)
    moves = service.actions(seen, partial(answers, at=settings.address), reload=users)
    steps += forwarder.around(
        settings, seen, moves, [partial(answers, at=address, unit=forward_unit(seen)) for address in left]
    )
    return Plan(steps, service.outcome(seen, "users changed" if users else ""), tuple(_notes(settings)))


def _notes(settings: Settings) -> Iterator[str]:
    if settings.former:
        end = "for slots of an earlier deploy; a deploy after their end closes it"
        yield f"{' and '.join(settings.former)} goes on leading to Redis {end}"
    for name, _ in settings.retired:
        who = f"a slot of an earlier deploy is logged in by it (user {name})"
        yield f"the retired password stays valid: {who}; a deploy after its end drops it"


def _data_is_here(settings: Settings, seen: HostState) -> None:
    """Raises HostError when the running Redis keeps its data elsewhere: started here, it would come up empty."""
    if now := "".join(seen.answers["redis.elsewhere"]):
        raise HostError(
            f"the data is in {now} and paths.state puts it into {settings.data}; move it, then run the same again: "
            f"`systemctl stop {UNIT} && mkdir -p {settings.state_root} && mv {now} {settings.data}`"
        )


def _convert(settings: Settings, service: Service, seen: HostState) -> tuple[Action, ...]:
    """The step after which what the other server has kept is ours; it stops our unit."""
    before = [user for user in seen.answers["redis.owners"] if user in SERVERS and user != settings.account]
    if not before or service.running(seen):
        return ()
    words = (UNIT, settings.data, *before, settings.account)
    return (Action(f"give the data of {before[0]} to {settings.account}", lambda h: run(h, _CONVERT, *words)),)


def _users(settings: Settings, service: Service, seen: HostState, running: Sequence[str]) -> Action | None:
    """What makes the users of the running Redis the wanted ones, if they are not."""
    if not service.unread(seen, loaded=set(running) == {*settings.users, settings.mark}):
        return None
    if not running:
        return Action(f"restart {UNIT} for its users", lambda host: restart(host, UNIT))
    return Action("set users", partial(_set_users, settings=settings, running=running))


def _set_users(host: Host, settings: Settings, running: Sequence[str]) -> None:
    gone = [user for user in running if user not in settings.users]
    lines = [f"setuser {name} reset {rules}" for name, rules in settings.users.items()]
    lines += [f"deluser {user}" for user in gone]
    lines.append(f"setuser {settings.mark} reset off")  # last: it says that all before has been done
    passwords = " ".join(p.reveal() for p in settings.deploy_passwords)
    run(host, _SET_USERS, settings.host, str(settings.port), stdin="\n".join([passwords, *lines, ""]))


def _answers(host: Host, at: str, *, settings: Settings, unit: str = UNIT, within: float = 30.0) -> None:
    """Await that Redis lets livekit-server in at the host:port ``at``, where ``unit`` listens."""
    address, port, secret = host_of(at), at.rpartition(":")[2], settings.passwords[0].reveal()
    until(host, f"Redis' answer at {at}", unit, _ANSWERS, address, port, settings.user, within=within, secret=secret)
