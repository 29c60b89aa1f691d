"""What is derived from tenants' changes while the relay moves them.

A projection is given a tenant's changes with the relay's own connection, inside the transaction that
takes them out of the outbox: what it writes and the removal become visible together or not at all, also
through a kill -9. A change may be given twice only if nothing of the first time remains.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from shared_apps.core.errors import explain

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one record; the values that it then had, None when it was deleted.

    Numbers with a point are strings, exact as they were.
    """

    entity: str
    record_id: str
    values: Mapping[str, Any] | None


Apply = Callable[[psycopg.Connection[Any], UUID, Sequence[Change]], None]
Fail = Callable[[psycopg.Connection[Any], UUID, str], None]


@dataclass(frozen=True, slots=True)
class _Projection:
    entities: frozenset[str]
    apply: Apply
    fail: Fail


_projections: list[_Projection] = []


def register(*, entities: Collection[str], apply: Apply, fail: Fail) -> None:
    """Have `apply` called with the changes of these entities, in their order.

    When it fails on them, what it wrote is taken back and `fail` may note, with the reason, that the
    projection of this tenant has to be made anew: the audit trail does not wait for it.
    """
    _projections.append(_Projection(frozenset(entities), apply, fail))


def entities() -> frozenset[str]:
    """Those whose changes somebody registered for."""
    return frozenset().union(*(projection.entities for projection in _projections))


def apply(connection: psycopg.Connection[Any], tenant_id: UUID, changes: Sequence[Change]) -> None:
    """Hand changes to whoever registered for them.

    Raises:
        psycopg.OperationalError: the database is away; nothing was applied.
    """
    for projection in _projections:
        concerned = [change for change in changes if change.entity in projection.entities]
        if not concerned:
            continue
        try:
            with connection.transaction():
                projection.apply(connection, tenant_id, concerned)
        except psycopg.OperationalError:
            raise
        except (psycopg.Error, LookupError, ValueError, TypeError, ArithmeticError) as error:
            logger.exception("A projection failed; it has to be made anew")
            reason = explain(error)
            projection.fail(connection, tenant_id, f"{type(error).__name__}: {reason}")
