"""Redis: install is base's; configure, start or change users in the running process, prove by an answer.

A change of users alone restarts nothing. Redis itself says which users it has (``Settings.mark``); those of the ACL
file are then given to it by ``ACL SETUSER``, which leaves every connection as it is. ``ACL LOAD`` would read the file
with fewer rights, but Redis 7.0 closes all connections for it, and livekit-server loses the messages of that moment.
A password that was retired is refused from then on; who is logged in by it stays so until the connection ends.
Where the process does not let us in (it has none of our passwords), and for everything else, Redis is restarted:
measured under a call, 2 s, no gap in the media, and the append-only file keeps the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from shlex import quote

from pyinfra.api.host import Host

from roles._kit import files
from roles._kit.change import Failed, sh
from roles._kit.files import File
from roles._kit.look import Needs, Seen
from roles._kit.plan import Part, Step, Todo
from roles._kit.ready import until
from roles._kit.service import UNITS, Service, restart
from roles.redis.settings import UNIT, Settings

# $1 and $2: host and port. Passwords come by standard input and go on in the environment: no argument list has them.
_ANSWERS = """said=$(REDISCLI_AUTH=$secret timeout 5 redis-cli -h "$1" -p "$2" --user livekit ping 2>&1)
[ "$said" = PONG ] || { echo "$said"; false; }"""
_SET_USERS = """cli() { timeout 5 redis-cli -e -h "$host" -p "$port" --user deploy "$@" </dev/null; }
host=$1 port=$2; export REDISCLI_AUTH
IFS= read -r passwords
for REDISCLI_AUTH in $passwords; do ! cli ping >/dev/null 2>&1 || break; done
set -f
while read -r line; do said=$(cli acl $line 2>&1) || { echo "$said"; exit 1; }; done"""


def activate(settings: Settings) -> Part:
    """Have Redis run with the wanted settings and users."""
    service = _service(settings)
    # where the running Redis keeps its data, if that is elsewhere (-ef: by a link to it is no other place)
    data = f"d=/proc/$(systemctl show -p MainPID --value {UNIT})/cwd; [ $d -ef {settings.data} ] || readlink $d"
    probes = (("redis.users", _users_probe(settings)), ("redis.elsewhere", data))
    needs = service.needs | Needs(files=frozenset({settings.data}), probes=probes)
    return Part("redis", needs, lambda seen: _plan(settings, service, seen))


def _service(settings: Settings) -> Service:
    # only root and Redis may know even the hashes
    acl = File(settings.acl_file, files.text("redis/users.acl.j2", redis=settings), "640", group="redis", secret=True)
    config = File(settings.config, files.text("redis/redis.conf.j2", redis=settings))
    unit = File(f"{UNITS}/{UNIT}", files.text("redis/livekit-redis.service.j2", redis=settings))
    return Service(UNIT, (config, unit), reread=(acl,))


def _users_probe(settings: Settings) -> str:
    """Shell text that prints the users of the running Redis; nothing when it lets nobody of us in."""
    passwords = " ".join(quote(p.reveal()) for p in settings.deploy_passwords)
    ask = f"timeout 5 redis-cli -e -h {settings.host} -p {settings.port} --user deploy acl users"
    return f'for p in {passwords}; do ! users=$(REDISCLI_AUTH=$p {ask}) || {{ echo "$users"; break; }}; done'


def _plan(settings: Settings, service: Service, seen: Seen) -> Todo:
    _data_is_here(settings, seen)
    users = _users(settings, service, seen)
    steps = files.directory(settings.data, seen, mode="750", user="redis", group="redis")
    steps += service.steps(seen, partial(_answers, settings=settings), reload=users)
    return Todo(steps, service.outcome(seen, "users changed" if users else ""))


def _data_is_here(settings: Settings, seen: Seen) -> None:
    """Raises Failed when the running Redis keeps its data elsewhere: started here, it would come up empty."""
    if now := "".join(seen.probes["redis.elsewhere"]):
        raise Failed(
            f"the data is in {now} and paths.state puts it into {settings.data}; move it, then run the same again: "
            f"`systemctl stop {UNIT} && mkdir -p {settings.state_root} && mv {now} {settings.data}`"
        )


def _users(settings: Settings, service: Service, seen: Seen) -> Step | None:
    """What makes the users of the running Redis the wanted ones, if they are not."""
    running = [user for user in seen.probes["redis.users"] if user]
    if not service.unread(seen, loaded=set(running) == {*settings.users, settings.mark}):
        return None
    if not running:
        return Step(f"restart {UNIT} for its users", lambda host: restart(host, UNIT))
    return Step("set users", partial(_set_users, settings=settings, running=running))


def _set_users(host: Host, settings: Settings, running: Sequence[str]) -> None:
    gone = [user for user in running if user not in settings.users]
    lines = [f"setuser {name} reset {rules}" for name, rules in settings.users.items()]
    lines += [f"deluser {user}" for user in gone]
    lines.append(f"setuser {settings.mark} reset off")  # last: it says that all before has been done
    passwords = " ".join(p.reveal() for p in settings.deploy_passwords)
    sh(host, _SET_USERS, settings.host, str(settings.port), stdin="\n".join([passwords, *lines, ""]))


def _answers(host: Host, settings: Settings, within: float = 30.0) -> None:
    secret = settings.passwords[0].reveal()
    until(host, "Redis' answer", UNIT, _ANSWERS, settings.host, str(settings.port), within=within, secret=secret)
