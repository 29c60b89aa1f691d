"""Where a tenant's people prove who they are."""

from uuid import UUID

from shared_apps.authn.backends.base import AuthBackend
from shared_apps.authn.backends.database import DatabaseBackend

_DATABASE = DatabaseBackend()


def backend_for(tenant_id: UUID | None) -> AuthBackend:
    """The one backend of a tenant; of the public host for None. There is no second one to fall back to."""
    return _DATABASE
