"""What an app says to have its changes recorded."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from django.db import models

from shared_apps.audit import tracking


@dataclass(frozen=True)
class AuditPolicy:
    """How a model's rows appear in the audit trail. Fields are named as on the model."""

    exclude: tuple[str, ...] = ()
    """Never recorded; a change of these alone leaves no entry."""
    redact: tuple[str, ...] = ()
    """That they changed is recorded, their values are not: neither the outbox nor an entry holds one."""


class Auditable(models.Model):
    """Every INSERT, UPDATE, DELETE and TRUNCATE of this table is recorded, whoever does it and how.

    Inheriting is all: triggers in the database do the work (audit/triggers.py), so bulk operations
    and raw SQL are covered and a rollback leaves nothing.
    """

    audit: ClassVar[AuditPolicy] = AuditPolicy()

    class Meta:
        abstract = True

    def changed_fields(self) -> tuple[str, ...]:
        """Names of the fields that were changed since the row was loaded or last saved; asks no database.

        A field that was deferred and then assigned counts as changed, and so does an expression.
        """
        return tuple(field.name for field, _, _ in tracking.changes(self))

    def diff(self) -> dict[str, dict[str, Any]]:
        """What saving would record, as the `diff` of an entry: column → `{"old": …, "new": …}`.

        A side that only the database knows is left out: the old value of a deferred field, the new one
        of an expression.
        """
        return tracking.difference(self, exclude=self.audit.exclude, redact=self.audit.redact)

    @classmethod
    def from_db(
        cls, db: str | None, field_names: Collection[str], values: Collection[Any], **options: Any
    ) -> Self:
        if options or tracking.changeable(cls) or len(values) != len(cls._meta.concrete_fields):
            instance = super().from_db(db, field_names, values, **options)
            tracking.keep(instance, field_names, values)
            return instance
        # What Model.from_db does for a whole row, without the call: this runs for every row that is read.
        instance = cls(*values)
        instance._state.adding = False
        instance._state.db = db
        instance.__dict__[tracking.KEPT] = (field_names, values)
        return instance

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: "models.QuerySet[Any, Any] | None" = None,
    ) -> None:
        """Also what loads a deferred field."""
        names = None if fields is None else list(fields)
        super().refresh_from_db(using, names, from_queryset)
        tracking.keep_current(self, names)

    # Not save(): what tracks a row must see every way in which Django saves one, loaddata too.
    def save_base(
        self,
        raw: bool = False,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        names = None if update_fields is None else list(update_fields)
        super().save_base(raw, force_insert, force_update, using, names)
        tracking.keep_current(self, names)
