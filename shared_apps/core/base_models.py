"""What rows of any app may be: stamped with the time of their last change, counted in versions.

Both hold for `save()`, for `update_fields` and for `queryset.update()` of a model whose manager's querysets
are `MovingQuerySet`s, as those of TenantModel are. SQL that goes round the ORM has to say it itself.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from shared_apps.core.errors import ConflictError

M = TypeVar("M", bound=models.Model)


class StaleRowError(ConflictError):
    code = "stale"
    message = "Somebody else has changed or deleted this meanwhile."


class TimeStampedModel(models.Model):
    """When a row was made and last changed."""

    created_at = models.DateTimeField(auto_now_add=True)
    # The default is for releases that do not know the column yet.
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

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
        names = None if update_fields is None else {*update_fields, "updated_at"}
        super().save_base(raw, force_insert, force_update, using, names)


class VersionedModel(models.Model):
    """Rows that count their changes. One that was changed since it was loaded is not overwritten."""

    version = models.PositiveIntegerField(default=1, db_default=1, editable=False)

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
        """
        Raises:
            StaleRowError: the row has another version than this instance, or is gone.
        """
        names = None if update_fields is None else {*update_fields, "version"}
        super().save_base(raw, force_insert, force_update, using, names)

    def _do_update(  # type: ignore[override]  # the stubs are of a later Django
        self, base_qs: Any, using: Any, pk_val: Any, values: Any, *options: Any, **named: Any
    ) -> bool:
        """Django's hook around the one UPDATE of a save: the version is in its WHERE."""
        others = [part for part in values if part[0].name != "version"]
        if self._state.adding or len(others) == len(values):
            # Not from this table (loaddata), or without its version, as Django does by itself.
            return bool(super()._do_update(base_qs, using, pk_val, values, *options, **named))
        following = self.version + 1
        changed = [*others, (self._meta.get_field("version"), None, following)]
        present = base_qs.filter(version=self.version)
        if not super()._do_update(present, using, pk_val, changed, *options, **named):
            raise StaleRowError
        self.version = following
        return True


class MovingQuerySet(models.QuerySet[M], Generic[M]):
    """`update()` and `bulk_update()` move what every change has to move."""

    def update(self, **values: Any) -> int:
        return super().update(**_moved(self.model, values))

    def bulk_update(
        self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """As Django's; whoever changed one of them meanwhile has made that instance stale, as a save would say."""
        instances, names = list(objs), set(fields)
        changed = super().bulk_update(instances, names, batch_size)
        for instance in instances:
            known = {"version"} - instance.get_deferred_fields() - names
            if isinstance(instance, VersionedModel) and known:
                instance.version += 1
        return changed


def _moved(model: type[models.Model], values: Mapping[str, Any]) -> dict[str, Any]:
    moved: dict[str, Any] = {}
    if issubclass(model, TimeStampedModel):
        moved["updated_at"] = timezone.now()
    if issubclass(model, VersionedModel):
        moved["version"] = models.F("version") + 1
    return {**moved, **values}
