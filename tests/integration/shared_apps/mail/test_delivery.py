import json
import logging
import os
import socket
import subprocess
import sys
from datetime import timedelta
from email.message import EmailMessage
from io import StringIO
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.mail import delivery, health, services
from shared_apps.mail.choices import MailKind, MailState
from shared_apps.mail.errors import MailNotConfiguredError, MailNotFailedError
from shared_apps.mail.models import OutgoingMail
from tests.concurrency import at_once
from tests.integration.shared_apps.mail.posting import LINK, NOW, deliver, post, row
from tests.mailbox import OK, Mailbox, mailed_by
from tests.waiting import wait_until


def test_a_mail_is_sent_once_and_its_text_is_gone(acme: TenantIdentity, mailbox: Mailbox) -> None:
    mail = post(acme)
    assert LINK not in row(mail).body

    assert deliver() == (1, 0)
    assert deliver(NOW + timedelta(days=1)) == (0, 0)

    [received] = mailbox.mails
    assert received["To"] == "ida@acme.example"
    assert received["Subject"] == "Set a new password at Acme GmbH"
    assert received["Message-ID"] == mail.message_id
    assert received["Auto-Submitted"] == "auto-generated"
    assert LINK in received.get_content()
    sent = row(mail)
    assert (sent.state, sent.body, sent.attempts, sent.finished_at) == (MailState.SENT, "", 1, NOW)


def test_what_is_rolled_back_is_not_sent(acme: TenantIdentity, mailbox: Mailbox) -> None:
    with context.operator(), transaction.atomic():
        post(acme)
        transaction.set_rollback(True)

    assert deliver() == (0, 0)


def test_a_name_begins_no_further_header(acme: TenantIdentity, mailbox: Mailbox) -> None:
    services.post_mail(
        tenant_id=acme.id, kind=MailKind.PASSWORD_RESET, recipient="ida@acme.example", at=NOW,
        variables={"name": "Acme\r\nBcc: eve@globex.example\r\n\r\nx", "link": LINK, "minutes": "60"},
    )  # fmt: skip

    assert deliver() == (1, 0)
    assert mailbox.mails[0]["Bcc"] is None
    assert mailbox.mails[0]["Subject"].startswith("Set a new password at Acme Bcc: eve")


def test_workers_share_the_mails_and_send_each_once(
    acme: TenantIdentity, globex: TenantIdentity, mailbox: Mailbox
) -> None:
    for number in range(12):
        post((acme, globex)[number % 2], f"{number}@acme.example")

    results = at_once([deliver] * 4)

    assert sum(result[0] for result in results if isinstance(result, tuple)) == 12
    assert sorted(mail["To"] for mail in mailbox.mails) == sorted(
        f"{number}@acme.example" for number in range(12)
    )


def test_a_refusal_for_a_while_is_tried_again_later_and_then_no_more(
    acme: TenantIdentity, mailbox: Mailbox
) -> None:
    mail = post(acme)
    mailbox.answer = lambda _: "451 later"
    at, pauses = NOW, []

    while row(mail).state == MailState.PENDING:
        assert deliver(at) == (0, 1)
        assert deliver(at) == (0, 0)
        pauses.append((row(mail).next_attempt_at - at).total_seconds() // 60)
        at = row(mail).next_attempt_at

    assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
    dead = row(mail)
    assert (dead.state, dead.attempts) == (MailState.FAILED, delivery.MOST_ATTEMPTS)
    assert "451" in dead.last_error
    mailbox.answer = lambda _: OK
    services.retry_mail(mail_id=mail.id, at=at)
    assert deliver(at) == (1, 0)
    assert mailbox.mails[0]["Message-ID"] == mail.message_id


def test_an_unknown_mailbox_is_final_and_does_not_stop_the_next(
    acme: TenantIdentity, globex: TenantIdentity, mailbox: Mailbox
) -> None:
    mailbox.refused = {"nobody@acme.example"}
    unknown, known = post(acme, "nobody@acme.example"), post(acme)
    other = post(globex, "ida@globex.example")

    assert deliver() == (2, 1)

    assert [row(mail).state for mail in (unknown, known, other)] == ["FAILED", "SENT", "SENT"]


def test_without_a_server_nothing_is_lost_and_none_is_counted(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    mails = [post(acme), post(globex, "ida@globex.example")]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with mailed_by(taken.getsockname()[1]):
            assert deliver() == (0, 1)

    assert [row(mail).attempts for mail in mails] == [0, 0]
    assert {row(mail).next_attempt_at for mail in mails} == {NOW + timedelta(minutes=1)}


def test_a_link_that_is_too_old_is_not_sent(acme: TenantIdentity, mailbox: Mailbox) -> None:
    old = post(acme, good_until=NOW + timedelta(hours=1))
    dead = post(acme, "nobody@acme.example", good_until=NOW + timedelta(hours=1))
    mailbox.refused = {"nobody@acme.example"}
    with context.operator():
        OutgoingMail.objects.filter(id=old.id).update(next_attempt_at=NOW + timedelta(hours=1))

    assert deliver() == (0, 1)
    assert deliver(NOW + timedelta(hours=1)) == (0, 0)
    with pytest.raises(MailNotFailedError):
        services.retry_mail(mail_id=dead.id, at=NOW + timedelta(hours=1))
    services.delete_old_mail(at=NOW + timedelta(hours=1))

    assert [(row(mail).state, row(mail).body) for mail in (old, dead)] == [("EXPIRED", "")] * 2
    assert mailbox.mails == []


def test_killed_between_sending_and_saying_so_it_comes_again_under_the_same_id(
    acme: TenantIdentity, mailbox: Mailbox
) -> None:
    mail = post(acme, at=timezone.now())

    def kill(_: EmailMessage) -> str:
        # It has sent all of the mail, and never learns that it was taken.
        sender.kill()
        sender.wait()
        return OK

    mailbox.answer = kill
    sender = subprocess.Popen(
        [sys.executable, "-m", "tests.sending"],
        env={**os.environ, "EMAIL_URL": mailbox.url, "PYTHONPATH": "."},
    )
    wait_until(lambda: len(mailbox.mails) == 1, "the mail was taken", timeout=60)
    mailbox.answer = lambda _: OK

    left = row(mail)
    assert (sender.returncode, left.state, left.attempts) == (-9, MailState.PROCESSING, 1)
    assert deliver(left.next_attempt_at - timedelta(seconds=1)) == (0, 0)
    assert deliver(left.next_attempt_at) == (1, 0)

    assert [received["Message-ID"] for received in mailbox.mails] == [mail.message_id] * 2
    assert row(mail).state == MailState.SENT


def test_the_text_is_opened_by_the_key_that_sealed_it_alone(
    acme: TenantIdentity, mailbox: Mailbox
) -> None:
    rotated, lost = post(acme), post(acme)
    with context.operator():
        OutgoingMail.objects.filter(id=lost.id).update(next_attempt_at=NOW + timedelta(minutes=1))
    with override_settings(SECRET_KEY="n" * 50, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert deliver() == (1, 0)
    with override_settings(SECRET_KEY="n" * 50):
        assert deliver(NOW + timedelta(minutes=1)) == (0, 0)

    assert [row(mail).state for mail in (rotated, lost)] == ["SENT", "FAILED"]
    assert len(mailbox.mails) == 1


def test_neither_log_nor_command_shows_text_or_recipient(
    acme: TenantIdentity, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mailbox.answer = lambda mail: "451 later"
    mail = post(acme)
    deliver()
    out = StringIO()
    call_command("mail", "list", "--json", stdout=out)

    [listed] = json.loads(out.getvalue())
    assert (listed["id"], listed["tenant"], listed["state"]) == (str(mail.id), "acme", "PENDING")
    # The server of the tests logs all that it is told.
    ours = [record.getMessage() for record in caplog.records if record.name != "mail.log"]
    assert any("A mail could not be sent" in line for line in ours)
    assert "the-secret" not in out.getvalue() + str(ours)
    assert "ida@acme.example" not in str(ours)


def test_commands_refuse_what_is_wrong(acme: TenantIdentity, mailbox: Mailbox) -> None:
    mail = post(acme)
    with pytest.raises(CommandError, match="Only a mail that could not be sent"):
        call_command("mail", "retry", str(mail.id))
    with pytest.raises(CommandError, match="There is no such mail"):
        call_command("mail", "retry", str(uuid4()))
    with pytest.raises(CommandError, match="at least 1"):
        call_command("mail", "list", "--limit", "0")
    with override_settings(EMAIL_URL=""), pytest.raises(CommandError, match="EMAIL_URL is not set"):
        call_command("mail", "deliver")

    assert row(mail).state == MailState.PENDING
    with override_settings(EMAIL_URL=""), pytest.raises(MailNotConfiguredError):
        deliver()
    assert row(mail).attempts == 0


def test_the_doctor_says_what_waits(acme: TenantIdentity, mailbox: Mailbox) -> None:
    def problems() -> list[str]:
        with context.operator():
            return [finding.problem for finding in health.find_problems()]

    mail = post(acme, at=timezone.now())
    assert problems() == []
    with override_settings(EMAIL_URL=""):
        assert problems() == ["1 mails wait"]
    with context.operator():
        OutgoingMail.objects.filter(id=mail.id).update(state=MailState.FAILED)
    assert problems() == ["1 mails could not be sent"]


def test_old_mails_are_deleted(acme: TenantIdentity, mailbox: Mailbox) -> None:
    mail = post(acme)
    deliver()

    assert services.delete_old_mail(at=NOW + services.KEPT_FOR) == 0
    assert services.delete_old_mail(at=NOW + services.KEPT_FOR + timedelta(seconds=1)) == 1
    with context.operator():
        assert not OutgoingMail.objects.filter(id=mail.id).exists()
