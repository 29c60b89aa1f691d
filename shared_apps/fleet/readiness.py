"""Whether this code may serve: the shared schema as a whole, and each tenant's schema.

A database that is ahead is served: migrations only add (fleet/compatibility.py), so a release runs beside
the next one's schemas. One that is behind is not.
"""

import time
from functools import lru_cache
from typing import Any

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


# Of a tenant and its row `v` of the ledger.
_HAS_IT = """
    (v.fingerprint = %s OR EXISTS (
        SELECT FROM public.fleet_schematemplate s
        WHERE s.fingerprint = v.fingerprint AND s.migrations @> to_jsonb(%s::text[])))
"""
_UNREADY = f"""
    SELECT t.slug FROM public.tenants_tenant t
    LEFT JOIN public.fleet_schemaversion v ON v.schema_name = t.schema_name
    WHERE t.state = 'ACTIVE' AND {_HAS_IT} IS NOT TRUE ORDER BY t.slug
"""  # noqa: S608  # a constant


def has_what_it_needs(tenant: TenantIdentity) -> bool:
    """Whether a tenant's schema has every migration of this code, or newer code's beside them."""
    with context.operator(), connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(
            f"SELECT {_HAS_IT} FROM public.fleet_schemaversion v WHERE v.schema_name = %s",  # noqa: S608  # a constant
            [*_target(), tenant.schema],
        )
        row = cursor.fetchone()
    return row is not None and bool(row[0])


def list_unready() -> list[str]:
    """What this code could not serve: the shared schema, and slugs of tenants that are served now.

    Asked with the application's login, by the ledger alone, as a request is answered.
    """
    unready = ["the shared schema"] if ask_shared_schema() == "behind" else []
    with context.operator(), connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_UNREADY, _target())
        return unready + [slug for (slug,) in cursor.fetchall()]


def _target() -> list[Any]:
    target = selectors.get_target()
    return [target.fingerprint, [name_of(node) for node in target.migrations]]
