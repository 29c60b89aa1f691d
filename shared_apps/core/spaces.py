"""The part of a name that says whose a thing outside the database is: a key, a file, a group of sockets.

It is read from the context and never from a caller, and made of the tenant's UUID: a tenant that is
made again under an old slug finds nothing of its predecessor.
"""

from uuid import UUID

from shared_apps.core import context
from shared_apps.core.errors import TenantContextRequired


def current() -> str:
    """The present context's: letters, digits and a hyphen, at most 40.

    Raises:
        TenantContextRequired: nobody's context, or one of a kind that was given no space here.
    """
    match context.require():
        case context.TenantIdentity(id=tenant_id):
            return of(tenant_id)
        case context.OperatorScope():
            return of(None)
        case _:
            raise TenantContextRequired


def of(tenant_id: UUID | None) -> str:
    """A tenant's, or the operator's: for what is done about a tenant in another context."""
    return "operator" if tenant_id is None else f"tenant-{tenant_id.hex}"
