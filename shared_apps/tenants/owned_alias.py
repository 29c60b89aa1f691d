"""An alias of DATABASES that also says whose rows are read and written over it.

Django puts the alias that a query used into every instance that it makes (`instance._state.db`). Where
that alias names the tenant too, each row knows its tenant for free: nothing runs per row.
"""

from functools import lru_cache
from typing import Any
from uuid import UUID


class OwnedAlias(str):
    """Equal to the plain alias, whoever's it is: Django finds its connection by either."""

    __slots__ = ("tenant_id",)

    tenant_id: UUID

    def __reduce__(self) -> tuple[Any, ...]:
        return owned_alias, (str(self), self.tenant_id)


@lru_cache(maxsize=4096)
def owned_alias(alias: str, tenant_id: UUID) -> OwnedAlias:
    """`alias`, whether plain or another tenant's, as this tenant's."""
    owned = OwnedAlias(alias)
    owned.tenant_id = tenant_id
    return owned
