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

    def missing(self) -> Problem | None:
        """What keeps a daemon from reaching it, for which the operator has the remedy."""
        if not self.lacks_password:
            return None
        remedy = "store it: python -m procedures.secrets INVENTORY set redis-external"
        return Problem("redis.external.password", "is not among the secrets", remedy)

    def config(self) -> dict[str, Any]:
        """The block ``redis`` of a daemon, without the password. JSON types only."""
        config: dict[str, Any] = {"username": self.username} if self.username else {}
        if self.sentinels:
            # read_timeout and write_timeout are milliseconds and default to 200: a slow Redis would look dead
            config |= {
                "sentinel_master_name": self.sentinel_master,
                "sentinel_addresses": list(self.sentinels),
                "read_timeout": 2000,
                "write_timeout": 2000,
            }
        else:
            config["address"] = self.address
        if self.tls:
            config["tls"] = {"enabled": True} | ({"ca_cert_file": self.ca_file} if self.ca_file else {})
        return config
