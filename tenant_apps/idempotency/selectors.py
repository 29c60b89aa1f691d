from datetime import datetime, timedelta

from django.conf import settings

from tenant_apps.idempotency.models import StoredAnswer


def find_answer(*, request: str) -> StoredAnswer | None:
    """Also one whose time is over, until it is deleted."""
    return StoredAnswer.objects.filter(request=request).first()


def forgotten_before(at: datetime) -> datetime:
    """What was answered before this is forgotten."""
    return at - timedelta(hours=settings.IDEMPOTENCY_KEEP_HOURS)
