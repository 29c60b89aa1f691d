"""Groups of sockets that are one tenant's."""

import asyncio
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
        self._receiving: dict[str, asyncio.Task[Any]] = {}

    async def group_add(self, group: str, channel: str) -> None:
        await super().group_add(_scoped(group), channel)

    async def group_discard(self, group: str, channel: str) -> None:
        await super().group_discard(_scoped(group), channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await super().group_send(_scoped(group), message)

    async def receive_single(self, channel: str) -> Any:
        """The next message, of whichever socket of this process.

        One socket at a time waits in Redis for all of them, and is cancelled when it closes. What Redis had
        popped by then would be lost to the socket that it was for, so the waiting goes on without it, and the
        next socket that waits takes over.
        """
        task = self._receiving.get(channel)
        if task is None or not _is_useful(task):
            task = asyncio.create_task(super().receive_single(channel))
            self._receiving[channel] = task
        message = await asyncio.shield(task)
        # Only now: when it is cancelled in the line above, the message is still there for the next.
        del self._receiving[channel]
        return message


def _is_useful(task: asyncio.Task[Any]) -> bool:
    """Not of an event loop that has ended, and not failed while nobody waited for it."""
    if task.get_loop() is not asyncio.get_running_loop() or task.cancelled():
        return False
    return not task.done() or task.exception() is None


def _scoped(group: str) -> str:
    return f"{spaces.current()}.{group}"
