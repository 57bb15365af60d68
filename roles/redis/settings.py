"""Settings of Redis: one of our own on a host of the site, or somebody else's."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.ports import Port, PortRange, Proto, Reach, endpoint
from livekit_metal.core.types.secret import Secret
from livekit_metal.core.types.text import Endpoint, HostPath, Word

UNIT = "livekit-redis.service"
FORWARD_UNIT = "livekit-redis-forward.service"
FORWARD_UNIT_BEFORE = "livekit-redis-formerly.service"  # its name in 0.1: one that is there goes on until it ends
Server = Literal["redis", "valkey"]
SERVERS: tuple[str, ...] = get_args(Server)
STOCK = tuple(f"{server}-server.service" for server in SERVERS)  # units of the packages: each would take port 6379
# All of data and messages, nothing that manages the server. For each daemon the same: what one of them asks for is
# documented nowhere and may differ with each release, and a command refused shows first in somebody's call.
_RIGHTS = "~* &* +@all -@admin -@dangerous +info +keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class External(Checked):
    """A Redis that livekit-metal does not run, alone or behind Sentinels. Passwords are read from the secrets file.

    Files on the hosts must be readable for the user of each daemon there.
    """

    address: Endpoint = option("", "host:port")
    user: Word = option("", "ACL user; empty for the default user")
    password: bool = option(True, "there is one; store it with `procedures.secrets INVENTORY set redis-external`")
    tls: bool = option(False, "connect with TLS")
    ca_file: HostPath = option("", "CA certificate on the hosts, for a private CA")
    sentinel_master: Word = option("", "name of the master, with sentinels")
    sentinels: tuple[Endpoint, ...] = option((), "host:port of each Sentinel, instead of address")
    sentinel_user: Word = option("", "ACL user of the Sentinels, when they have another; empty for their default user")
    sentinel_password: bool = option(
        False, "the Sentinels have one; store it with `procedures.secrets INVENTORY set redis-external-sentinel`"
    )
    db: int = option(0, "number of the database")
    client_certificate: HostPath = option("", "certificate on the hosts that daemons show, where Redis asks for one")
    client_key: HostPath = option("", "its key on the hosts")
    cluster: tuple[Endpoint, ...] = option((), "refused: trunks and rules cannot be deleted there (livekit#3654)")

    def problems(self, path: str) -> Iterator[Problem]:
        if self.cluster:
            fact = "is a cluster, in which LiveKit cannot delete trunks and dispatch rules (CROSSSLOT, livekit#3654)"
            yield Problem(f"{path}.cluster", fact, "use one Redis (address), or Sentinels")
            return
        if bool(self.address) == bool(self.sentinels):
            yield Problem(path, "needs exactly one of address and sentinels", "set one of them")
        if self.sentinels and not self.sentinel_master:
            yield Problem(f"{path}.sentinel_master", "is missing", "name the master as the Sentinels know it")
        for name in ("ca_file", "client_certificate", "client_key"):
            if getattr(self, name) and not self.tls:
                yield Problem(f"{path}.{name}", "is set and tls is not", "set tls, or drop it")
        if bool(self.client_certificate) != bool(self.client_key):
            yield Problem(f"{path}.client_certificate", "and client_key belong together", "set both, or none")
        if (self.sentinel_user or self.sentinel_password) and not self.sentinels:
            yield Problem(path, "names a login at Sentinels and no Sentinels", "set sentinels, or drop it")
        if self.db < 0:
            yield Problem(f"{path}.db", f"is {self.db}", "give the number of a database")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """Redis on the one host with the role ``redis``."""

    external: External | None = option(None, "use this Redis instead of one of our own")
    server: Server = option("redis", "which server ours is; valkey: from Debian 13 and Ubuntu 24.04 on")
    port: PortRange = option(PortRange(6379, 6379), "port of our Redis")
    max_memory_mb: int = option(512, "megabytes before Redis refuses writes; nothing is ever evicted")

    address: str = derived("")  # where clients on this and other hosts reach it
    bind: tuple[str, ...] = derived(())
    passwords: tuple[Secret, ...] = derived(())  # of livekit-server: current first, then one that is still valid
    daemon_passwords: Mapping[str, tuple[Secret, ...]] = derived({})  # likewise, of each other daemon of the site
    monitor_passwords: tuple[Secret, ...] = derived(())  # of the user monitor
    callers: tuple[str, ...] = derived(())  # roles with clients of it
    deploy_passwords: tuple[Secret, ...] = derived(())  # of the user deploy
    config_root: str = derived("")
    state_root: str = derived("")

    # What only the host knows; roles/redis/tasks.py fills it in from a look.
    # user and SHA-256 of passwords that the site has no more and somebody is logged in by
    retired: tuple[tuple[str, str], ...] = derived(())
    former: tuple[str, ...] = derived(())  # host:port where Redis was and clients may still expect it

    @property
    def program(self) -> str:
        """The daemon, as its package has it."""
        return f"/usr/bin/{self.server}-server"

    @property
    def packages(self) -> tuple[str, ...]:
        """Of Debian and Ubuntu: the daemon, and the client that a look asks with."""
        return (f"{self.server}-server", f"{self.server}-tools")

    @property
    def account(self) -> str:
        """The user of the host whom the daemon runs as, and its group: the package makes both."""
        return self.server

    @property
    def config(self) -> str:
        return f"{self.config_root}/redis/redis.conf"

    @property
    def acl_file(self) -> str:
        return f"{self.config_root}/redis/users.acl"

    @property
    def data(self) -> str:
        return f"{self.state_root}/redis"

    @property
    def host(self) -> str:
        """The host in ``address``, as redis-cli takes it."""
        return host(self.address)

    @property
    def listens(self) -> tuple[str, ...]:
        """Every host:port that Redis itself is to bind."""
        return tuple(endpoint(address, self.port.first) for address in self.bind)

    @property
    def user(self) -> str:
        """Who livekit-server logs in as."""
        return user("livekit", self.passwords[0])

    @property
    def users(self) -> dict[str, str]:
        """ACL rules by user, in the words of both the ACL file and ``ACL SETUSER``; passwords as SHA-256."""
        every: Mapping[str, tuple[Secret, ...]] = {"livekit": self.passwords, **self.daemon_passwords}
        clients = {user(role, p): _sha256(p) for role, passwords in every.items() for p in passwords}
        return {
            # Nobody can be this user: without a password one gets nothing. Its rights are for Redis itself, which
            # replays its file by them: without, 7.0 drops every transaction in it (NOPERM in its log)
            "default": "off ~* &* +@all",
            **{name: f"on #{sha256} {_RIGHTS}" for name, sha256 in (*clients.items(), *self.retired)},
            # exactly what prometheus-redis-exporter 1.45 to 1.69 asks for (ACL LOG stays empty); no data
            "monitor": f"on {_hashes(self.monitor_passwords)} +ping +info +client|setname "
            "+latency|latest +latency|histogram +slowlog|len +slowlog|get",
            # replaces all these in the running Redis. It could make itself anybody: its password is on no host
            "deploy": f"on {_hashes(self.deploy_passwords)} +ping +acl|list +acl|setuser +acl|deluser +client|list",
        }

    @property
    def mark(self) -> str:
        """The name of a user who can do nothing: by it a running Redis tells which ``users`` it has."""
        return f"managed-by-livekit-metal:{hashlib.sha256(repr(self.users).encode()).hexdigest()[:16]}"

    def ports(self) -> Iterator[Port]:
        local = all(ipaddress.ip_address(a).is_loopback for a in self.bind)
        reach = Reach.LOCAL if local else Reach.CLUSTER
        yield Port("redis", "redis", Proto.TCP, self.port, reach, "Redis", "redis.port", (*self.callers, "exporters"))

    def problems(self, path: str) -> Iterator[Problem]:
        if len(self.port) != 1:
            yield Problem(f"{path}.port", f"is a range ({self.port})", "give one port")
        if self.max_memory_mb < 64:
            yield Problem(f"{path}.max_memory_mb", f"is {self.max_memory_mb}", "give Redis at least 64 MB")


def host(address: str) -> str:
    """The host in a host:port, without the brackets of IPv6."""
    return address.rpartition(":")[0].strip("[]")


def user(role: str, password: Secret) -> str:
    """The user of a daemon with ``password``: one for each password, so that Redis can tell which are in use."""
    return f"{role}-{_sha256(password)[:8]}"


def _sha256(password: Secret) -> str:
    return hashlib.sha256(password.reveal().encode()).hexdigest()


def _hashes(passwords: Iterable[Secret]) -> str:
    return " ".join(f"#{_sha256(p)}" for p in passwords)
