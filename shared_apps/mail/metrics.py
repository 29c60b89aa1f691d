"""Figures of the outbox of mails."""

from collections.abc import Iterator

from django.db.models import Count, Min
from django.utils import timezone

from shared_apps.core import context
from shared_apps.core.metrics import stored
from shared_apps.core.metrics.stored import Family, Sample
from shared_apps.mail import selectors
from shared_apps.mail.choices import OPEN, MailState

_MAILS = Family("freehold_mails", "Mails of the outbox by state.", ("state",))
_OLDEST = Family("freehold_mail_oldest_waiting_seconds", "Age of the mail that has waited longest.")


def register() -> None:
    stored.register("mail", _MAILS, _OLDEST, ask=_count)


def _count() -> Iterator[Sample]:
    with context.operator():
        rows = list(
            selectors.list_mails().order_by().values_list("state").annotate(Count("id"), Min("created_at"))
        )  # fmt: skip
    counted = {state: number for state, number, _ in rows}
    oldest = {state: at for state, _, at in rows}
    for state in MailState:
        yield Sample(_MAILS.name, counted.get(state.value, 0), (state.value.lower(),))
    since = min((oldest[state] for state in OPEN if state in oldest), default=None)
    yield Sample(_OLDEST.name, (timezone.now() - since).total_seconds() if since else 0)
