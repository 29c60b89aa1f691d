"""Shared tables that hold rows of several tenants: what a context sees and writes of them.

The manager is for people: it filters by the context, puts the tenant into new rows and refuses foreign
ones with a clear error. The wall is row-level security in the database (fleet/row_security.py), which
binds whoever goes past the manager.

The condition is an expression that is made with the context in which the QuerySet is built and compared
with the one in which its SQL is made. Whatever Django derives from the QuerySet (count, exists, update,
delete, subqueries, unions, prefetching) carries it along, so there is no list of methods to forget one in.
"""

from typing import Any, ClassVar, Self, TypeVar
from uuid import UUID

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import models
from django.db.models import F, Lookup

from shared_apps.core import context
from shared_apps.core.row_rights import RowRights
from shared_apps.tenants.errors import ForeignRowError, ReadOnlyScopeError, TenantMismatchError

_Row = TypeVar("_Row", bound=models.Model)


class InScope(Lookup):  # type: ignore[type-arg]  # not generic at run time
    """`InScope("tenant_id")`: the rows of the context, for tables that others than their app read."""

    lookup_name = "in_scope"
    prepare_rhs = False

    def __init__(self, lhs: Any, rhs: context.Scope | None = None) -> None:
        """Raises TenantContextRequired: there is no context."""
        super().__init__(F(lhs) if isinstance(lhs, str) else lhs, rhs or context.require())

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Raises TenantMismatchError, TenantContextRequired: not the context that it was made in."""
        scope = context.require()
        if scope != self.rhs:
            raise TenantMismatchError("a query that was built in one context is used in another")
        if isinstance(scope, context.OperatorScope):
            raise FullResultSet
        left, parameters = self.process_lhs(compiler, connection)
        if isinstance(scope, context.TenantIdentity):
            return f"{left} = %s", [*parameters, scope.id]
        if not scope.tenants:
            raise EmptyResultSet
        return f"{left} = ANY(%s)", [*parameters, sorted(scope.tenants)]


class TenantScopedQuerySet(models.QuerySet[_Row]):
    """Writes no row of a tenant that is not the context's."""

    # Every INSERT of Django passes here: save(), create(), get_or_create(), bulk_create().
    def _insert(self, objs: list[Any], *args: Any, **options: Any) -> Any:
        for row in objs:
            take_in(row)
        return super()._insert(objs, *args, **options)  # type: ignore[misc]  # not in the stubs

    # save() of a row that is there; and, below, everything else that updates.
    def _update(self, values: list[Any]) -> int:
        _require_writable()
        for field, _, value in values:
            self._require_unmoved(field.name, value)
        return super()._update(values)  # type: ignore[misc, no-any-return]  # not in the stubs

    def update(self, **values: Any) -> int:
        _require_writable()
        for name, value in values.items():
            self._require_unmoved(name, value)
        return super().update(**values)

    def _raw_delete(self, using: str | None) -> int:
        _require_writable()
        return super()._raw_delete(using)  # type: ignore[misc, no-any-return]  # not in the stubs

    def _require_unmoved(self, name: str, value: Any) -> None:
        scope = context.require()
        if name not in ("tenant", "tenant_id") or not isinstance(scope, context.TenantIdentity):
            return
        # An expression could stand for anything, so it is refused as well.
        if getattr(value, "pk", value) != scope.id:
            raise ForeignRowError


class TenantScopedManager(models.Manager[_Row]):
    """The rows of the context: the tenant's own; a cross-tenant person's tenants'; all for the operator.

    Raises TenantContextRequired without a context.
    """

    def get_queryset(self) -> TenantScopedQuerySet[_Row]:
        rows = TenantScopedQuerySet[_Row](self.model, using=self._db)
        return rows.filter(InScope("tenant_id"))


class TenantScoped(models.Model):
    """A row of one tenant in a shared table. Say in `row_rights` who else than the operator uses it."""

    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")

    row_rights: ClassVar[RowRights] = RowRights()
    objects: ClassVar[TenantScopedManager[Self]] = TenantScopedManager()  # type: ignore[misc]

    class Meta:
        abstract = True
        # Also for foreign keys that lead here and for refresh_from_db().
        base_manager_name = "objects"

    def save(self, *args: Any, **options: Any) -> None:
        """Raises ForeignRowError: another tenant's row. ReadOnlyScopeError: a cross-tenant person's."""
        take_in(self)
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        """Raises as `save`."""
        take_in(self)
        return super().delete(*args, **options)


def take_in(row: Any) -> None:
    """Make a row the tenant's whose context it is, unless it is one's already.

    Raises:
        ForeignRowError: it belongs to another tenant.
        ReadOnlyScopeError: the context only reads.
        TenantContextRequired: there is no context.
    """
    scope = _require_writable()
    if isinstance(scope, context.OperatorScope):
        return
    owner: UUID | None = row.tenant_id
    if owner is None:
        row.tenant_id = scope.id
    elif owner != scope.id:
        raise ForeignRowError


def _require_writable() -> context.TenantIdentity | context.OperatorScope:
    scope = context.require()
    if isinstance(scope, context.CrossTenantScope):
        raise ReadOnlyScopeError
    return scope
