"""Redis as it runs on a deployed host."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.host import Host

from livekit_metal.site.model import HostStack, Site
from tests.support.calls.rooms import CLIENT

Ask = Callable[..., str]


@pytest.fixture(autouse=True)
def _only_where_it_runs(stack: HostStack) -> None:
    if stack.redis is None:
        pytest.skip(f"{stack.host} has no Redis in this site")


@pytest.fixture
def ask(host: Host, stack: HostStack) -> Ask:
    """``ask(user, password, command)`` over the address that clients use; what the client printed."""
    assert stack.redis is not None
    at = f"-h {stack.redis.host} -p {stack.redis.port}"

    def asked(user: str, password: str, command: str) -> str:
        login = f"REDISCLI_AUTH={password} {CLIENT} --user {user}" if user else CLIENT
        said: str = host.run(f"{login} {at} {command} 2>/dev/null").stdout
        return said.strip()

    return asked


def test_it_listens_where_the_site_says_and_nowhere_else(host: Host, stack: HostStack, site: Site) -> None:
    assert stack.redis is not None
    lines = host.check_output("ss -Hltn 'sport = :%s'", str(stack.redis.port)).splitlines()
    addresses = {line.split()[3].rpartition(":")[0].strip("[]") for line in lines}
    others = {site.hosts[stack.host].cluster_address} if len(site.hosts) > 1 else set()
    assert addresses == {"127.0.0.1", *others}


def test_nobody_gets_in_without_a_right_password(stack: HostStack, ask: Ask) -> None:
    assert stack.redis is not None
    right, user = stack.redis.passwords[0].reveal(), stack.redis.user
    assert ask(user, right, "ping") == "PONG"
    refused = [("", ""), (user, "wrong"), ("default", right), ("monitor", right), (stack.redis.mark, right)]
    for user, password in refused:
        assert ask(user, password, "ping") == "NOAUTH Authentication required.", user


def test_livekit_may_not_manage_it(stack: HostStack, ask: Ask) -> None:
    assert stack.redis is not None
    for command in ("flushall", "config get maxmemory", "acl users", "shutdown nosave", "debug object x"):
        said = ask(stack.redis.user, stack.redis.passwords[0].reveal(), command)
        assert said.startswith(("NOPERM", "ERR DEBUG command not allowed")), said


def test_it_keeps_what_it_is_told_and_evicts_nothing(site: Site, stack: HostStack, ask: Ask) -> None:
    assert stack.redis is not None
    said = ask("monitor", stack.redis.monitor_passwords[0].reveal(), "info")
    info = dict(line.strip().split(":", 1) for line in said.splitlines() if ":" in line)
    assert (info["aof_enabled"], info["aof_last_write_status"]) == ("1", "ok")
    assert info["maxmemory"] == str(site.redis.max_memory_mb * 1024 * 1024)
    assert info["maxmemory_policy"] == "noeviction"
    assert int(info["maxclients"]) == 10000, "the unit's LimitNOFILE has come through"


def test_what_was_written_survives_a_crash(host: Host, stack: HostStack, ask: Ask) -> None:
    assert stack.redis is not None
    password, user = stack.redis.passwords[0].reveal(), stack.redis.user
    assert ask(user, password, "set tests:crash here") == "OK"
    # everysec: while the disk is busy with the last second, the next one waits in memory
    for _ in range(100):
        if "aof_buffer_length:0\n" in ask(user, password, "info persistence").replace("\r", "") + "\n":
            break
    before = host.check_output("systemctl show -p MainPID --value livekit-redis")
    host.check_output("kill -9 %s", before)
    asked = f"{CLIENT} -h %s -p %s ping 2>&1"
    wait = f"for i in $(seq 100); do {asked} | grep -q NOAUTH && exit; sleep 0.2; done; exit 1"
    host.check_output(wait, stack.redis.host, str(stack.redis.port))
    assert host.check_output("systemctl show -p MainPID --value livekit-redis") != before
    assert ask(user, password, "getdel tests:crash") == "here"


def test_only_redis_reads_its_users_and_its_data(host: Host, site: Site) -> None:
    acl = host.file(f"{site.paths.config}/redis/users.acl")
    assert (acl.mode, acl.user, acl.group) == (0o640, "root", site.redis.server)
    data = host.file(f"{site.paths.state}/redis")
    assert (data.mode, data.user, data.group) == (0o750, site.redis.server, site.redis.server)
    assert site.vault is not None
    assert not [v for v in site.vault.every_value() if v in acl.content_string], "hashes only"
