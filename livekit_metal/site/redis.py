"""Where the site's Redis is, and how its daemons log in."""

from __future__ import annotations

from livekit_metal.core.ports import endpoint
from livekit_metal.core.redis_client import RedisClient
from livekit_metal.roles.redis.settings import Settings, user
from livekit_metal.site.model import Site


def address(site: Site) -> str:
    """Where clients find our Redis: on loopback while everything is on one host."""
    return endpoint(site.inside(site.with_role("redis")[0]), site.of(Settings).port.first)


def client(site: Site, role: str) -> RedisClient:
    """How the daemon of ``role`` reaches Redis: in one of our own as a user of its own."""
    vault = site.opened
    if external := site.of(Settings).external:
        known = external.password and vault.knows("redis-external")
        sentinel = external.sentinel_password and vault.knows("redis-external-sentinel")
        return RedisClient(
            address=external.address,
            username=external.user,
            password=vault.passwords("redis-external")[0] if known else None,
            lacks_password=external.password and not known,
            tls=external.tls,
            ca_file=external.ca_file,
            sentinel_master=external.sentinel_master,
            sentinels=external.sentinels,
            sentinel_user=external.sentinel_user,
            sentinel_password=vault.passwords("redis-external-sentinel")[0] if sentinel else None,
            lacks_sentinel_password=external.sentinel_password and not sentinel,
            db=external.db,
            client_certificate=external.client_certificate,
            client_key=external.client_key,
        )
    password = vault.passwords("redis" if role == "livekit" else f"redis-{role}")[0]
    return RedisClient(address=address(site), username=user(role, password), password=password)


def callers(site: Site) -> tuple[str, ...]:
    """The roles that need it: those that need livekit-server, but for whom that is enough."""
    return tuple(role.name for role in site.roles if role.caller and role.on_redis)
