"""Rows of tenants that are hidden when they are deleted, and can be put back.

Not for what the law wants gone: a hidden row keeps its personal data.
"""

from typing import Any, ClassVar, Generic, TypeVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from shared_apps.tenants.ownership import TenantManager, TenantModel, TenantQuerySet, require_own

S = TypeVar("S", bound="SoftDeleteModel")


class SoftDeleteQuerySet(TenantQuerySet[S], Generic[S]):
    def delete(self) -> tuple[int, dict[str, int]]:
        """Hide what is not hidden yet."""
        hidden = self.filter(deleted_at=None).update(deleted_at=timezone.now())
        return hidden, {self.model._meta.label: hidden} if hidden else {}

    # As for Django's own: only of a queryset that somebody has written down.
    delete.queryset_only = True  # type: ignore[attr-defined]  # an attribute of the function
    delete.alters_data = True  # type: ignore[attr-defined]  # an attribute of the function

    def restore(self) -> int:
        return self.filter(deleted_at__isnull=False).update(deleted_at=None)

    def delete_for_good(self) -> tuple[int, dict[str, int]]:
        return super().delete()


_Manager = models.Manager.from_queryset(SoftDeleteQuerySet, "_Manager")


class SoftDeleteManager(_Manager[S], Generic[S]):  # type: ignore[valid-type,misc]  # made at run time
    """Gives what is not deleted, from a row's related rows too."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(deleted_at__isnull=True)

    def all_with_deleted(self) -> Any:
        rows = super().get_queryset()
        # Of one row's related rows only those; Django adds the condition where it makes the manager.
        narrow = getattr(self, "_apply_rel_filters", None)
        return narrow(rows) if narrow else rows

    def only_deleted(self) -> Any:
        return self.all_with_deleted().filter(deleted_at__isnull=False)


class SoftDeleteModel(TenantModel):
    """In place of TenantModel. `delete()` hides a row; what refers to it goes on finding it.

    A unique rule among those that are not hidden is `unique_among_live`.
    """

    deleted_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[Any] = SoftDeleteManager()
    rows: ClassVar[Any] = TenantManager()
    """All of them."""

    class Meta:
        abstract = True

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        require_own(self)
        if self.deleted_at is not None:
            return 0, {}
        self.deleted_at = timezone.now()
        self.save(update_fields=["deleted_at"])
        return 1, {self._meta.label: 1}

    def restore(self) -> None:
        """Raises IntegrityError: its place was taken (`unique_among_live`)."""
        self.deleted_at = None
        self.save(update_fields=["deleted_at"])

    def delete_for_good(self) -> tuple[int, dict[str, int]]:
        return super().delete()


# Forward references and save() go through it: a hidden row can be read where it is named, and be put back.
SoftDeleteModel._meta.base_manager_name = "rows"


def unique_among_live(*fields: str, name: str) -> models.UniqueConstraint:
    """Hidden rows leave their place to others."""
    return models.UniqueConstraint(fields=fields, name=name, condition=Q(deleted_at__isnull=True))
