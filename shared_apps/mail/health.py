"""What the doctor says of mail."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from shared_apps.core.doctor import Finding
from shared_apps.mail import selectors
from shared_apps.mail.choices import MailState

_PATIENCE = timedelta(minutes=10)


def find_problems() -> Iterator[Finding]:
    if settings.EMAIL_URL:
        overdue = selectors.list_overdue(before=timezone.now() - _PATIENCE).count()
        remedy = "is a worker running? manage.py mail list --state PENDING has the server's answers"
    else:
        overdue = selectors.list_open().count()
        remedy = "set EMAIL_URL for web and workers (docs/sign-in.md)"
    if overdue:
        yield Finding("mail", f"{overdue} mails wait", remedy)
    dead = selectors.list_mails(state=MailState.FAILED).count()
    if dead:
        yield Finding(
            "mail", f"{dead} mails could not be sent",
            "manage.py mail list --state FAILED, then mail retry ID",
        )  # fmt: skip
