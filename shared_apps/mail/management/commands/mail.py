"""`manage.py mail list|retry|deliver|test`."""

import json
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from shared_apps.core import context
from shared_apps.core.errors import AppError
from shared_apps.mail import delivery, selectors, services, trying
from shared_apps.mail.choices import MailState
from shared_apps.mail.models import OutgoingMail
from shared_apps.tenants.selectors import get_tenant

_MOST = 100


class Command(BaseCommand):
    help = "The outbox: what waits, what was sent, what could not be. Never the texts."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="newest first")
        listing.add_argument("--state", choices=MailState.values)
        listing.add_argument("--limit", type=int, default=_MOST, help=f"at most so many ({_MOST})")
        listing.add_argument("--json", action="store_true")
        retry = actions.add_parser("retry", help="try one again that could not be sent")
        retry.add_argument("id", type=UUID)
        actions.add_parser("deliver", help="send what is due now, as the workers do")
        trial = actions.add_parser("test", help="send one mail now, past the outbox")
        trial.add_argument("--to", required=True, metavar="ADDRESS")
        trial.add_argument("--tenant", metavar="SLUG", help="by its own server, if it has one")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except AppError as error:
            raise CommandError(error.text) from error

    def _list(self, options: dict[str, Any]) -> None:
        if options["limit"] < 1:
            raise CommandError("--limit is at least 1")
        state = MailState(options["state"]) if options["state"] else None
        with context.operator():
            mails = list(selectors.list_mails(state=state)[: options["limit"]])
        if options["json"]:
            self.stdout.write(json.dumps([_described(mail) for mail in mails]))
            return
        for mail in mails:
            described = _described(mail)
            tenant = described["tenant"] or "-"
            self.stdout.write(
                f"{mail.id}  {mail.state:<8}{tenant:<20} {mail.kind:<18} {mail.recipient}"
                f"  {described['created_at']}  attempts {mail.attempts}  {mail.last_error}".rstrip()
            )
        if not mails:
            self.stdout.write("no mails")

    def _retry(self, options: dict[str, Any]) -> None:
        mail = services.retry_mail(mail_id=options["id"], at=timezone.now())
        self.stdout.write(f"{mail.id} waits")

    def _deliver(self, options: dict[str, Any]) -> None:
        done = delivery.deliver_due(clock=timezone.now)
        self.stdout.write(f"{done.sent} sent, {done.failed} failed")

    def _test(self, options: dict[str, Any]) -> None:
        slug = options["tenant"]
        tenant_id = get_tenant(slug=slug).id if slug else None
        sender = trying.send_trial(tenant_id=tenant_id, to=options["to"])
        self.stdout.write(f"the server took a mail from {sender} to {options['to']}")


def _described(mail: OutgoingMail) -> dict[str, Any]:
    return {
        "id": str(mail.id),
        "state": mail.state,
        "tenant": mail.tenant.slug if mail.tenant else None,
        "kind": mail.kind,
        "recipient": mail.recipient,
        "subject": mail.subject,
        "message_id": mail.message_id,
        "created_at": mail.created_at.isoformat(timespec="seconds"),
        "finished_at": mail.finished_at.isoformat(timespec="seconds") if mail.finished_at else None,
        "attempts": mail.attempts,
        "last_error": mail.last_error,
    }
