"""After a new secret was put first in AUDIT_SEALING_KEYS: all keys wrapped with it, so that the former can go."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from shared_apps.audit.sealing import destroying, keys, wrapping
from shared_apps.audit.sealing.models import ErasedSubject, PersonKey, WrappingKey
from shared_apps.core import context

_BATCH: Final = 500

Report = Callable[[int, int], None]
"""Keys that are done, and all."""


@dataclass(frozen=True, slots=True)
class Rewrapped:
    keys: int
    retired: tuple[str, ...]
    """Ids of secrets that nothing needs any more."""
    needed: tuple[str, ...]
    """Ids of former secrets that name people who were erased since the oldest outbox row was written."""


def rewrap(*, oldest_waiting: datetime | None, report: Report) -> Rewrapped:
    """Wrap every key with the first secret, a batch at a time; safe to stop and to begin again.

    `oldest_waiting` is when the oldest row of any outbox was written, None if all are empty: whoever was
    erased after it has to be told by the name under the former secret.

    Raises:
        SealingKeyError: a secret is missing; nothing was changed.
    """
    destroying.require_keys()
    secret = wrapping.configured()[0]
    with context.operator():
        with connection.cursor() as cursor:
            cursor.execute(keys.REGISTER, [secret.id, secret.proof])
        former = PersonKey.objects.exclude(wrapping_key_id=secret.id)
        total, done = former.count(), 0
        while batch := _rewrap_batch(secret):
            done += batch
            report(done, max(done, total))
        names = ErasedSubject.objects.exclude(wrapping_key_id=secret.id)
        settled = names if oldest_waiting is None else names.filter(erased_at__lt=oldest_waiting)
        settled.delete()
        retired, needed = _retire(secret.id)
    return Rewrapped(done, retired, needed)


def _rewrap_batch(secret: wrapping.WrappingSecret) -> int:
    known = wrapping.by_id()
    with transaction.atomic():
        former = PersonKey.objects.exclude(wrapping_key_id=secret.id)
        batch = list(former.order_by("id").select_for_update()[:_BATCH])
        for key in batch:
            where = {"key_id": key.id, "trail_id": key.trail_id}
            opened, subject = known[key.wrapping_key_id].unwrap(bytes(key.wrapped), **where)
            key.wrapped = secret.wrap(opened, subject, **where)
            key.subject, key.wrapping_key_id = secret.name(subject), secret.id
        PersonKey.objects.bulk_update(batch, ["wrapped", "subject", "wrapping_key_id"])
    return len(batch)


def _retire(current: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    retired, needed = [], []
    for row in WrappingKey.objects.exclude(id=current).order_by("id"):
        with transaction.atomic():
            # Locked, so that a relay that still uses the former secret cannot add a key meanwhile.
            WrappingKey.objects.select_for_update().get(id=row.id)
            if row.keys.exists() or row.erased.exists():
                needed.append(row.id)
            else:
                retired.append(row.id)
                row.delete()
    return tuple(retired), tuple(needed)
