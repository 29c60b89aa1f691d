"""Rows remember whose they are.

Every model of `tenant_apps` inherits TenantModel. An instance remembers the tenant that it was loaded
from or last saved for, a queryset the one that it was built for; using either for another tenant
raises instead of reading or writing that one's row with the same key. Stock Django remembers the alias
of a connection, which is the same for all tenants; ours names the tenant (owned_alias.py, ADR 0010).
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

from django.db import models, router
from django.db.models.query import RawQuerySet

from shared_apps.core import context
from shared_apps.core.base_models import MovingQuerySet
from shared_apps.tenants.errors import TenantMismatchError
from shared_apps.tenants.owned_alias import OwnedAlias, owned_alias

M = TypeVar("M", bound=models.Model)


def _for_current_tenant(alias: str) -> str:
    """As it is where there is no tenant: what is read over it then belongs to nobody."""
    tenant_id = context.tenant_id()
    return alias if tenant_id is None else owned_alias(alias, tenant_id)


def owner_of(instance: models.Model) -> UUID | None:
    """The tenant whose row an instance is; None for one that was never saved, or is shared."""
    alias = instance._state.db
    return alias.tenant_id if isinstance(alias, OwnedAlias) else None


def require_owner(owner: UUID | None, what: object) -> None:
    """Raises TenantMismatchError: `owner` is known, and not whom code works for now."""
    if owner is None:
        return
    current = context.tenant_id()
    # The same object nearly always; comparing UUIDs is slower.
    if owner is not current and owner != current:
        name = what.__name__ if isinstance(what, type) else type(what).__name__
        raise TenantMismatchError(f"{name} of one tenant is used for another, or for nobody")


def require_own(instance: models.Model) -> None:
    """Raises TenantMismatchError: the row is another tenant's, or it is not known whose it is."""
    state = instance._state
    if isinstance(state.db, OwnedAlias):
        require_owner(state.db.tenant_id, instance)
    elif not state.adding and isinstance(instance, TenantModel):
        # It came past the querysets of this module.
        raise TenantMismatchError(f"{type(instance).__name__} of an unknown tenant is used")


class _Bound:
    """A query that belongs to the tenant it was built for, or to the first whose rows it holds."""

    model: Any
    _tenant_id: UUID | None = None

    def _require_owner(self) -> None:
        require_owner(self._tenant_id, self.model)

    def _bind(self) -> None:
        self._require_owner()
        self._tenant_id = self._tenant_id or context.tenant_id()

    def _watched(self, rows: Iterable[Any]) -> Iterator[Any]:
        """A generator may be resumed in another context than it was started in."""
        owner = self._tenant_id or context.tenant_id()
        for row in rows:
            require_owner(owner, self.model)
            yield row


class TenantQuerySet(_Bound, MovingQuerySet[M], Generic[M]):
    """Built at import, for nobody, it may serve as a template: what is made from it is bound."""

    def __init__(
        self, model: Any = None, query: Any = None, using: str | None = None, hints: Any = None
    ) -> None:
        super().__init__(model, query, using, hints)
        self._tenant_id = context.tenant_id()
        if hints:
            self._require_owner_of_hints()

    def _require_owner_of_hints(self) -> None:
        """Django tells in the hints from which instance one goes to its related rows."""
        instance = self._hints.get("instance")  # type: ignore[attr-defined]
        if isinstance(instance, models.Model):
            require_own(instance)

    def _add_hints(self, **hints: Any) -> None:
        super()._add_hints(**hints)  # type: ignore[misc]
        self._require_owner_of_hints()

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        clone._tenant_id = self._tenant_id or clone._tenant_id
        return clone

    # Whatever sends a statement asks for the connection first. The rows that come back are given it.
    @property
    def db(self) -> str:
        self._require_owner()
        return _for_current_tenant(super().db)

    def _fetch_all(self) -> None:
        # Once for each row whose related rows were prefetched.
        if self._tenant_id is None or self._tenant_id is not context.tenant_id():
            self._bind()
        super()._fetch_all()  # type: ignore[misc]

    def _iterator(self, *args: Any) -> Iterator[M]:
        return self._watched(super()._iterator(*args))  # type: ignore[misc]

    async def aiterator(self, chunk_size: int = 2000) -> AsyncIterator[M]:
        owner = self._tenant_id or context.tenant_id()
        async for row in super().aiterator(chunk_size):
            require_owner(owner, self.model)
            yield row

    # These look first at what was fetched before.
    def count(self) -> int:
        self._require_owner()
        return super().count()

    def exists(self) -> bool:
        self._require_owner()
        return super().exists()

    def __getitem__(self, key: Any) -> Any:
        self._require_owner()
        return super().__getitem__(key)

    def resolve_expression(self, *args: Any, **options: Any) -> Any:
        self._require_owner()
        return super().resolve_expression(*args, **options)

    def _merge_sanity_check(self, other: Any) -> None:
        super()._merge_sanity_check(other)  # type: ignore[misc]
        other._require_owner()

    def _combinator_query(self, combinator: str, *others: Any, all: bool = False) -> Any:
        for other in others:
            other._require_owner()
        return super()._combinator_query(combinator, *others, all=all)  # type: ignore[misc]

    def bulk_create(self, objs: Iterable[M], *args: Any, **options: Any) -> list[M]:
        instances = list(objs)
        for instance in instances:
            require_own(instance)
        created = super().bulk_create(instances, *args, **options)
        # Django leaves out those that met a conflict.
        alias = self.db
        for instance in created:
            instance._state.db = alias
        return created

    def bulk_update(
        self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        instances = list(objs)
        for instance in instances:
            require_own(instance)
        return super().bulk_update(instances, fields, batch_size)

    def raw(
        self,
        raw_query: Any,
        params: Any = (),
        translations: dict[str, str] | None = None,
        using: str | None = None,
    ) -> "TenantRawQuerySet":
        self._require_owner()
        return TenantRawQuerySet(
            raw_query,
            model=self.model,
            params=params,
            translations=translations,
            using=using or self._db,  # type: ignore[attr-defined]
        )


class TenantRawQuerySet(_Bound, RawQuerySet):  # type: ignore[type-arg]
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tenant_id = context.tenant_id()

    @property
    def db(self) -> str:
        self._require_owner()
        return _for_current_tenant(super().db)

    def _fetch_all(self) -> None:
        self._bind()
        super()._fetch_all()  # type: ignore[misc]

    def iterator(self) -> Iterator[Any]:
        self._require_owner()
        return self._watched(super().iterator())


TenantManager = models.Manager.from_queryset(TenantQuerySet, "TenantManager")


class TenantModel(models.Model):
    """The first base of every model of `tenant_apps`; a system check insists on it."""

    objects = TenantManager()

    class Meta:
        abstract = True

    def save_base(
        self,
        raw: bool = False,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        require_own(self)
        alias = _for_current_tenant(using or router.db_for_write(type(self), instance=self))
        super().save_base(raw, force_insert, force_update, alias, update_fields)

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        require_own(self)
        return super().delete(*args, **options)

    def refresh_from_db(self, *args: Any, **options: Any) -> None:
        """Also what loads a deferred field."""
        require_own(self)
        super().refresh_from_db(*args, **options)


# Related rows and save() go through it; Django takes it over from a model's first base. Not in Meta,
# which would put it into every app's migrations.
TenantModel._meta.base_manager_name = "objects"


class TenantRouter:
    """Asked by Django whenever one instance is made to refer to another."""

    def allow_relation(self, one: models.Model, other: models.Model, **hints: Any) -> bool | None:
        alias, current = one._state.db, context.tenant_id()
        if alias is other._state.db and isinstance(alias, OwnedAlias):
            # Nearly always; it is asked for each of the rows that are prefetched.
            return current is None or alias.tenant_id == current
        owners = {owner_of(one), owner_of(other), current} - {None}
        is_tenants = isinstance(one, TenantModel) or isinstance(other, TenantModel)
        return False if is_tenants and len(owners) > 1 else None
