"""Mail of tenants that have a server of their own."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.mail import configuring, delivery
from shared_apps.mail.choices import MailSecurity
from shared_apps.mail.configuring import MailServer
from shared_apps.mail.models import TenantMailServer
from tests.integration.shared_apps.mail.posting import NOW, deliver, post, row
from tests.mailbox import Mailbox, guarded_mailbox
from tests.receivers import Authority

PASSWORD = "the-password-of-acmes-server"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def own(authority: Authority) -> Iterator[Mailbox]:
    """Acme's server."""
    with guarded_mailbox(authority.context(), user="acme", password=PASSWORD) as mailbox:
        yield mailbox


def give(
    tenant: TenantIdentity, own: Mailbox, authority: Authority | None, password: str = PASSWORD
) -> None:
    server = MailServer(
        host="localhost", port=own.port, security=MailSecurity.STARTTLS, user="acme",
        sender="post@acme.example",
        ca_certificate=authority.file.read_text() if authority else "",
    )  # fmt: skip
    assert configuring.configure(tenant_id=tenant.id, server=server, password=password, at=NOW)


def test_it_leaves_by_the_tenants_own_server_in_its_name(
    acme: TenantIdentity,
    globex: TenantIdentity,
    own: Mailbox,
    authority: Authority,
    mailbox: Mailbox,
) -> None:
    give(acme, own, authority)
    post(acme)
    post(globex, "ida@globex.example")

    assert deliver() == (2, 0)

    assert [(mail["To"], mail["From"]) for mail in own.mails] == [
        ("ida@acme.example", "post@acme.example")
    ]
    assert [(mail["To"], mail["From"]) for mail in mailbox.mails] == [
        ("ida@globex.example", settings.DEFAULT_FROM_EMAIL)
    ]


@pytest.mark.parametrize("wrong", ["certificate", "password", "place"])
def test_it_leaves_by_no_other_server_when_that_one_fails(
    acme: TenantIdentity, globex: TenantIdentity, own: Mailbox, authority: Authority, mailbox: Mailbox,
    wrong: str,
) -> None:  # fmt: skip
    give(
        acme, own, None if wrong == "certificate" else authority,
        password="guessed" if wrong == "password" else PASSWORD,
    )  # fmt: skip
    mails = [post(acme), post(acme, "otto@acme.example")]
    other = post(globex, "ida@globex.example")

    with override_settings(
        MAIL_EGRESS_ALLOW=[] if wrong == "place" else settings.MAIL_EGRESS_ALLOW
    ):
        assert deliver() == (1, 1)
        assert deliver() == (0, 0)

    assert own.mails == []
    assert [mail["To"] for mail in mailbox.mails] == ["ida@globex.example"]
    assert row(other).state == "SENT"
    waiting = [row(mail) for mail in mails]
    assert [(mail.state, mail.attempts) for mail in waiting] == [("PENDING", 0)] * 2
    expected = {
        "certificate": "CERTIFICATE_VERIFY_FAILED",
        "password": "SMTPAuthenticationError",
        "place": "MAIL_EGRESS_ALLOW",
    }
    assert all(expected[wrong] in mail.last_error for mail in waiting)
    assert all(PASSWORD not in mail.last_error for mail in waiting)
    give_up = NOW + delivery.GIVEN_UP_AFTER
    with override_settings(
        MAIL_EGRESS_ALLOW=[] if wrong == "place" else settings.MAIL_EGRESS_ALLOW
    ):
        deliver(give_up)
        deliver(give_up + timedelta(minutes=1))
    assert {row(mail).state for mail in mails} == {"FAILED"}


def test_a_tenant_has_its_own_server_where_the_installation_has_none(
    acme: TenantIdentity, globex: TenantIdentity, own: Mailbox, authority: Authority
) -> None:
    give(acme, own, authority)
    mine, other = post(acme), post(globex, "ida@globex.example")

    with override_settings(EMAIL_URL=""):
        assert deliver() == (1, 0)

    assert (row(mine).state, row(other).state) == ("SENT", "PENDING")


def test_a_server_that_is_taken_away_meanwhile_stops_nobody(
    acme: TenantIdentity,
    globex: TenantIdentity,
    own: Mailbox,
    authority: Authority,
    mailbox: Mailbox,
) -> None:
    give(acme, own, authority)
    mine, other = post(acme), post(globex, "ida@globex.example")
    times = iter([NOW])

    def take_away_once_read() -> datetime:
        if next(times, None):
            configuring.configure(tenant_id=acme.id, server=None, at=NOW)
        return NOW

    done = delivery.deliver_due(clock=take_away_once_read)

    assert (done.sent, done.failed) == (1, 1)
    assert (row(mine).state, row(mine).attempts, row(other).state) == ("PENDING", 0, "SENT")
    assert deliver(NOW + timedelta(minutes=1)) == (1, 0)
    assert [mail["To"] for mail in mailbox.mails] == ["ida@globex.example", "ida@acme.example"]
    assert own.mails == []


def test_the_password_is_sealed_for_this_tenant(
    acme: TenantIdentity, globex: TenantIdentity, own: Mailbox, authority: Authority
) -> None:
    give(acme, own, authority)
    [present] = configuring.list_present(tenant_ids=[acme.id, globex.id]).values()
    assert present.password == PASSWORD
    assert PASSWORD not in repr(present)

    with context.operator(), connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(s)::text, password FROM mail_tenantmailserver s")
        text, sealed = cursor.fetchone()
        assert PASSWORD not in text
        assert PASSWORD.encode() not in bytes(sealed)
        # Moved to another tenant's row it opens nothing.
        TenantMailServer.objects.filter(tenant_id=acme.id).update(tenant_id=globex.id)
    assert configuring.list_present(tenant_ids=[globex.id])[globex.id].password is None


def test_passwords_are_sealed_anew_with_the_first_key(
    acme: TenantIdentity, globex: TenantIdentity, own: Mailbox, authority: Authority
) -> None:
    for tenant in (acme, globex):
        give(tenant, own, authority)
    keys = {"new": "n" * 50, **settings.AUTH_ENCRYPTION_KEYS}

    with override_settings(AUTH_ENCRYPTION_KEYS=keys):
        assert configuring.rewrap_passwords() == 2
        assert configuring.rewrap_passwords() == 0
    with override_settings(AUTH_ENCRYPTION_KEYS={"new": "n" * 50}):
        present = configuring.list_present(tenant_ids=[acme.id, globex.id])

    assert {found.password for found in present.values()} == {PASSWORD}


def test_operators_try_it(
    acme: TenantIdentity,
    globex: TenantIdentity,
    own: Mailbox,
    authority: Authority,
    mailbox: Mailbox,
) -> None:
    give(acme, own, authority)
    out = StringIO()

    call_command("mail", "test", "--to", "otto@example.com", "--tenant", "acme", stdout=out)
    call_command("mail", "test", "--to", "otto@example.com", "--tenant", "globex", stdout=out)

    assert [mail["From"] for mail in own.mails] == ["post@acme.example"]
    assert [mail["From"] for mail in mailbox.mails] == [settings.DEFAULT_FROM_EMAIL]
    assert "the server took a mail from post@acme.example to otto@example.com" in out.getvalue()
    with pytest.raises(CommandError, match="is no address"):
        call_command("mail", "test", "--to", "otto")
    with pytest.raises(CommandError, match=r"no tenant|not exist|There is no"):
        call_command("mail", "test", "--to", "otto@example.com", "--tenant", "initech")
    give(acme, own, authority, password="guessed")
    with pytest.raises(CommandError, match="did not take it"):
        call_command("mail", "test", "--to", "otto@example.com", "--tenant", "acme")
    with override_settings(EMAIL_URL=""), pytest.raises(CommandError, match="EMAIL_URL is not set"):
        call_command("mail", "test", "--to", "otto@example.com")
