"""At most one effect for a key.

All of it happens in the transaction of the effect: the lock that says that a request is being carried out
ends with it, so whatever dies leaves either nothing or the effect together with its answer.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from shared_apps.core import context
from tenant_apps.idempotency import keys, selectors
from tenant_apps.idempotency.errors import (
    AnswerNotKeptError,
    AnswerWithheldError,
    KeyInUseError,
    KeyReusedError,
)
from tenant_apps.idempotency.models import StoredAnswer

_BATCH: Final = 1000


def begin(
    *, request: str, fingerprint: str, authority: Collection[str], at: datetime
) -> StoredAnswer | None:
    """Claim a request for the present transaction; what it was answered, if it was before.

    Raises:
        KeyInUseError: another transaction has claimed it.
        KeyReusedError: it was another request.
        AnswerWithheldError: the person had a role or a permission then that they have no more.
        AnswerNotKeptError: it was carried out, and the answer is not there.
    """
    number = keys.lock_number(schema=context.require_tenant().schema, request=request)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        if not cursor.fetchone()[0]:
            raise KeyInUseError
    # A statement of its own: one that began before the lock was had would not see what its last holder wrote.
    answer = selectors.find_answer(request=request)
    if answer is None:
        return None
    if answer.created_at <= selectors.forgotten_before(at):
        answer.delete()
        return None
    if answer.fingerprint != fingerprint:
        raise KeyReusedError
    if not set(answer.authority) <= set(authority):
        raise AnswerWithheldError
    if not answer.is_complete:
        raise AnswerNotKeptError
    return answer


def keep_answer(
    *, request: str, person: UUID, fingerprint: str, authority: Collection[str], status: int,
    headers: Mapping[str, str], body: bytes | None, at: datetime,
) -> None:  # fmt: skip
    """Write down what a request that `begin` claimed was answered. `body`: None if it was streamed."""
    text = _text(body)
    StoredAnswer.objects.create(
        request=request, person=person, fingerprint=fingerprint, authority=sorted(authority),
        status=status, headers=dict(headers), body=text or "", is_complete=text is not None,
        created_at=at,
    )  # fmt: skip


def _text(body: bytes | None) -> str | None:
    if body is None or len(body) > settings.IDEMPOTENCY_LARGEST_ANSWER or b"\0" in body:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def delete_forgotten(*, at: datetime) -> int:
    """Delete the present tenant's answers whose time is over, a batch at a time; their number."""
    over = StoredAnswer.objects.filter(created_at__lte=selectors.forgotten_before(at))
    deleted = 0
    while batch := list(over.order_by("created_at").values_list("pk", flat=True)[:_BATCH]):
        deleted += StoredAnswer.objects.filter(pk__in=batch).delete()[0]
    return deleted
