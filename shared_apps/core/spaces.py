"""The part of a name that says whose a thing outside the database is: a key, a file, a group of sockets.

It is read from the context and never from a caller, and made of the tenant's UUID: a tenant that is
made again under an old slug finds nothing of its predecessor.
"""

from shared_apps.core import context
from shared_apps.core.errors import TenantContextRequired


def current() -> str:
    """The present context's: letters, digits and a hyphen, at most 40.

    Raises:
        TenantContextRequired: nobody's context, or one of a kind that was given no space here.
    """
    match context.require():
        case context.TenantIdentity(id=tenant_id):
            return f"tenant-{tenant_id.hex}"
        case context.OperatorScope():
            return "operator"
        case _:
            raise TenantContextRequired
