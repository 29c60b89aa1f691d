"""Names of what is kept in Redis: whose it is comes first, and cannot be left out.

    freehold:<database>:<use>:<space>:<the caller's own part>

The database is part of it because several installations may share a Redis. What the caller adds stands
at the end, where no character of it can reach back into the space.
"""

from urllib.parse import quote

from django.conf import settings

from shared_apps.core import spaces


def scoped(use: str) -> str:
    """The beginning of every name that `use` (cache, sessions, …) has in the present context.

    Raises:
        TenantContextRequired: there is none.
    """
    return f"{installation(use)}:{spaces.current()}:"


def installation(use: str) -> str:
    """A name for what belongs to the whole installation.

    Nothing in it has a meaning in a pattern of Redis, so it can begin one.
    """
    database = quote(settings.DATABASES["default"]["NAME"], safe="")
    return f"freehold:{database}:{use}"
