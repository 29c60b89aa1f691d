"""Django's browser sessions, each good at the tenant whose host made it and nowhere else.

They are kept in the tenant's own part of Redis (tenants/cache.py), so a cookie of one tenant names
nothing at another: whoever shows it there is new. The console's sign-in will be kept in them; the API
takes tokens.
"""

from typing import Any

from django.contrib.sessions.backends import cache
from django.core.cache.backends.base import BaseCache


class SessionStore(cache.SessionStore):
    """Redis that cannot be asked is an error (503): Django's own store takes it for a session that
    has ended, and its middleware then deletes the cookie.
    """

    _cache: BaseCache  # set by the base class, whose stubs leave it out

    def load(self) -> dict[str, Any]:
        return self._found(self._cache.get(self.cache_key))

    async def aload(self) -> dict[str, Any]:
        return self._found(await self._cache.aget(await self.acache_key()))

    def _found(self, data: dict[str, Any] | None) -> dict[str, Any]:
        if data is None:
            # The key was not ours to give; a new one is made when something is kept.
            self._session_key = None
            return {}
        return data
