"""The keys of somebody who is erased. All in the operator's context.

First `bury`, in the last transaction that changes rows of the person, then, when that is committed,
`destroy`: whatever the relay seals in between is either under a key that `destroy` finds, or of an outbox
row from before, which the relay does not seal readably any more.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Sum

from shared_apps.audit.sealing import keys, wrapping
from shared_apps.audit.sealing.models import PersonKey, WrappingKey
from shared_apps.audit.sealing.wrapping import Subject
from shared_apps.core import context

_BURY = """
INSERT INTO public.audit_sealing_erasedsubject (subject, wrapping_key_id, erased_at)
VALUES (%s, %s, clock_timestamp())
ON CONFLICT (subject) DO UPDATE SET erased_at = excluded.erased_at
"""


def subjects_of(*, user_id: UUID | None, address: str | None) -> list[Subject]:
    found = [] if user_id is None else [Subject.of_account(user_id)]
    return found if address is None else [*found, Subject.of_address(address)]


def count_entries(subjects: Iterable[Subject]) -> int:
    """How many entries of the trail hold values that these people's keys open.

    Raises:
        SealingKeyError: whose keys they are cannot be told.
    """
    with context.operator():
        require_keys()
        total = PersonKey.objects.filter(subject__in=_names(subjects)).aggregate(
            total=Sum("entries")
        )["total"]
    return int(total or 0)


def bury(subjects: Iterable[Subject]) -> None:
    """Have nothing that outboxes hold of these people by now become readable in the trail."""
    secret = wrapping.configured()[0]
    with context.operator(), transaction.atomic(), connection.cursor() as cursor:
        require_keys()
        cursor.execute(keys.REGISTER, [secret.id, secret.proof])
        for subject in subjects:
            cursor.execute(_BURY, [secret.name(subject), secret.id])


def destroy(subjects: Iterable[Subject]) -> int:
    """Make what the trail holds of these people unreadable; returns of how many entries."""
    with context.operator(), transaction.atomic():
        require_keys()
        own = PersonKey.objects.filter(subject__in=_names(subjects))
        # Waits for a relay that is at work with one of them.
        found = list(own.order_by("id").select_for_update())
        PersonKey.objects.filter(id__in=[key.id for key in found]).delete()
    return sum(key.entries for key in found)


def require_keys() -> None:
    """Raises SealingKeyError: whose keys are whose cannot be told."""
    with context.operator():
        wrapping.require(WrappingKey.objects.values_list("id", "proof"))


def _names(subjects: Iterable[Subject]) -> list[str]:
    return [name for subject in subjects for name in wrapping.names_of(subject)]
