"""Reads of the outbox. Lazy: evaluate them in the operator's context."""

from datetime import datetime

from django.db.models import QuerySet

from shared_apps.mail.choices import OPEN, MailState
from shared_apps.mail.models import OutgoingMail


def list_mails(*, state: MailState | None = None) -> QuerySet[OutgoingMail]:
    """Newest first, without their texts."""
    mails = OutgoingMail.objects.select_related("tenant").defer("body").order_by("-created_at")
    return mails.filter(state=state) if state else mails


def list_overdue(*, before: datetime) -> QuerySet[OutgoingMail]:
    """Those that should have been sent by then."""
    return list_open().filter(created_at__lt=before)


def list_open() -> QuerySet[OutgoingMail]:
    """Those that are neither sent nor given up."""
    return list_mails().filter(state__in=OPEN)
