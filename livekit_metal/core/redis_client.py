"""How LiveKit's daemons reach Redis: the same block of configuration in all of them (protocol/redis/redis.go)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.types.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisClient:
    """Derived from ``redis`` of the site."""

    address: str = ""
    username: str = ""
    password: Secret | None = None
    lacks_password: bool = False  # the site says that there is one, and the secrets do not have it
    tls: bool = False
    ca_file: str = ""
    sentinel_master: str = ""
    sentinels: tuple[str, ...] = ()
    sentinel_user: str = ""
    sentinel_password: Secret | None = None
    lacks_sentinel_password: bool = False
    db: int = 0
    client_certificate: str = ""
    client_key: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """Files on the host that a daemon reads for it."""
        return tuple(filter(None, (self.ca_file, self.client_certificate, self.client_key)))

    def missing(self) -> Problem | None:
        """What keeps a daemon from reaching it, for which the operator has the remedy."""
        names = {"password": self.lacks_password, "sentinel_password": self.lacks_sentinel_password}
        for name in (name for name, lacks in names.items() if lacks):
            key = "redis-external" if name == "password" else "redis-external-sentinel"
            remedy = f"store it: python -m procedures.secrets INVENTORY set {key}"
            return Problem(f"redis.external.{name}", "is not among the secrets", remedy)
        return None

    def config(self) -> dict[str, Any]:
        """The block ``redis`` of a daemon, without the password; with that of Sentinels. JSON types only."""
        config: dict[str, Any] = {"username": self.username} if self.username else {}
        if self.sentinels:
            # read_timeout and write_timeout are milliseconds and default to 200: a slow Redis would look dead
            config |= {
                "sentinel_master_name": self.sentinel_master,
                "sentinel_addresses": list(self.sentinels),
                "read_timeout": 2000,
                "write_timeout": 2000,
            }
            config |= {"sentinel_username": self.sentinel_user} if self.sentinel_user else {}
            # livekit-server takes it from nowhere else: list-nodes, which asks who serves, reads no generated variable
            config |= {"sentinel_password": self.sentinel_password.reveal()} if self.sentinel_password else {}
        else:
            config["address"] = self.address
        if self.db:
            config["db"] = self.db
        if self.tls:
            names = {"ca_cert_file": self.ca_file, "client_cert_file": self.client_certificate}
            names["client_key_file"] = self.client_key
            config["tls"] = {"enabled": True} | {name: file for name, file in names.items() if file}
        return config
