"""Whether a tenant's schema has what this code needs. Who knows registers itself: the fleet app.

A schema never goes back to an older version, so a good answer holds as long as the process: no request
asks twice. A bad one is asked again after a second.
"""

import time
from collections.abc import Callable

from shared_apps.core.context import TenantIdentity
from shared_apps.tenants import routing
from shared_apps.tenants.errors import SchemaBehindError

_ASK_AGAIN = 1.0  # seconds

Check = Callable[[TenantIdentity], bool]

_checks: list[Check] = []
# By schema.
_current: set[str] = set()
_behind: dict[str, float] = {}


def register(check: Check) -> None:
    if check not in _checks:  # `ready()` may run again
        _checks.append(check)


def require_current(tenant: TenantIdentity) -> None:
    """Raises SchemaBehindError: its migrations are still to come."""
    if tenant.schema in _current:
        return
    asked_at = _behind.get(tenant.schema)
    if asked_at is None or time.monotonic() - asked_at > _ASK_AGAIN:
        try:
            is_current = all(check(tenant) for check in _checks)
        finally:
            # The request may have to wait for its turn now.
            routing.hand_back_connection()
        if is_current:
            _current.add(tenant.schema)
            _behind.pop(tenant.schema, None)
            return
        _behind[tenant.schema] = time.monotonic()
    raise SchemaBehindError


def forget() -> None:
    """Ask anew about everybody, for code that changes while it runs: tests."""
    _current.clear()
    _behind.clear()
