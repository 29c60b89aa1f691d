"""Groups of sockets that are one tenant's."""

from typing import Any

from channels_redis.core import RedisChannelLayer

from shared_apps.core import redis_keys, spaces


class TenantChannelLayer(RedisChannelLayer):
    """A group's name means the group of that name of the present context.

    So consumers and senders use plain names, and nobody can forget to make one a tenant's. On
    nobody's behalf joining, leaving and sending raise TenantContextRequired.
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(prefix=f"{redis_keys.installation('sockets')}:", **config)

    async def group_add(self, group: str, channel: str) -> None:
        await super().group_add(_scoped(group), channel)

    async def group_discard(self, group: str, channel: str) -> None:
        await super().group_discard(_scoped(group), channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await super().group_send(_scoped(group), message)


def _scoped(group: str) -> str:
    return f"{spaces.current()}.{group}"
