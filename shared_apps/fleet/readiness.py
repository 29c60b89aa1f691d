"""Whether this code may serve: the shared schema as a whole, and each tenant's schema.

A database that is ahead is served: migrations only add (fleet/compatibility.py), so a release runs beside
the next one's schemas. One that is behind is not.
"""

import time
from functools import lru_cache

from django.db import DEFAULT_DB_ALIAS, connections

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import selectors
from shared_apps.fleet.history import History, Node, name_of, shared_labels

_LIFE = 5.0  # seconds for which an answer about the shared schema holds

_known: list[tuple[float, str]] = []


def ask_shared_schema() -> str:
    """`ok`, `ahead` or `behind`: by one query, at most every few seconds."""
    if _known and time.monotonic() - _known[0][0] < _LIFE:
        return _known[0][1]
    with context.operator(), connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute("SELECT app, name FROM public.django_migrations")
        state = _judge(frozenset((app, name) for app, name in cursor.fetchall()))
    _known[:] = [(time.monotonic(), state)]
    return state


@lru_cache(maxsize=4)
def _judge(applied: frozenset[Node]) -> str:
    history = History(applied, labels=shared_labels())
    if history.missing:
        return "behind"
    return "ahead" if history.unknown else "ok"


def has_what_it_needs(tenant: TenantIdentity) -> bool:
    """Whether a tenant's schema has every migration of this code, or newer code's beside them."""
    target = selectors.get_target()
    with context.operator(), connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(
            "SELECT v.fingerprint = %s OR t.migrations @> to_jsonb(%s::text[])"
            " FROM public.fleet_schemaversion v"
            " LEFT JOIN public.fleet_schematemplate t ON t.fingerprint = v.fingerprint"
            " WHERE v.schema_name = %s",
            [target.fingerprint, [name_of(node) for node in target.migrations], tenant.schema],
        )
        row = cursor.fetchone()
    return row is not None and bool(row[0])
