"""Mails to send, in the tests of who sends them and how."""

from datetime import UTC, datetime
from typing import Any

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.mail import delivery, services
from shared_apps.mail.choices import MailKind
from shared_apps.mail.models import OutgoingMail

NOW = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
LINK = "https://acme.localhost/password/reset#the-secret"


def post(
    tenant: TenantIdentity | None, to: str = "ida@acme.example", **options: Any
) -> OutgoingMail:
    return services.post_mail(
        tenant_id=tenant.id if tenant else None, kind=MailKind.PASSWORD_RESET, recipient=to,
        variables={"name": "Acme GmbH", "link": LINK, "minutes": "60"},
        at=options.pop("at", NOW), **options,
    )  # fmt: skip


def deliver(at: datetime = NOW) -> tuple[int, int]:
    done = delivery.deliver_due(clock=lambda: at)
    return done.sent, done.failed


def row(mail: OutgoingMail) -> OutgoingMail:
    with context.operator():
        return OutgoingMail.objects.get(id=mail.id)
