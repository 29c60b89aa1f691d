"""Which mail goes next."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.mail import claiming, delivery
from shared_apps.mail.choices import MailPriority, MailState
from shared_apps.mail.claiming import Lines
from shared_apps.mail.models import OutgoingMail
from tests.installation import Installation
from tests.integration.shared_apps.mail.posting import NOW, deliver, post, row
from tests.mailbox import OK, Mailbox

_HIGH, _LOW = MailPriority.HIGH, MailPriority.LOW


def test_tenants_take_turns(acme: TenantIdentity, globex: TenantIdentity, mailbox: Mailbox) -> None:
    for number in range(30):
        post(acme, f"{number}@acme.example")
    for number in range(2):
        post(globex, f"{number}@globex.example", at=NOW + timedelta(minutes=number + 1))
    post(None, "otto@example.com", at=NOW + timedelta(minutes=1))

    assert deliver(NOW + timedelta(hours=1)) == (33, 0)

    order = [mail["To"].rpartition("@")[2] for mail in mailbox.mails]
    assert {*order[:3]} == {"acme.example", "globex.example", "example.com"}
    assert {*order[3:5]} == {"acme.example", "globex.example"}
    assert order[5:] == ["acme.example"] * 28


def test_priority_goes_before_age_and_a_batch_is_as_large_as_asked(
    acme: TenantIdentity, globex: TenantIdentity, mailbox: Mailbox
) -> None:
    late = NOW + timedelta(hours=1)
    for number in range(13):
        post(acme, f"low{number}@acme.example", priority=_LOW, at=NOW + timedelta(seconds=number))
    for number in range(9):
        at = NOW + timedelta(minutes=1, seconds=number)
        post(acme, f"high{number}@acme.example", priority=_HIGH, at=at)
    post(globex, "only@globex.example", priority=_LOW)

    batches = [delivery.deliver_batch(clock=lambda: late, batch_size=10) for _ in range(4)]

    assert batches == [10, 10, 3, 0]
    order = [mail["To"].partition("@")[0] for mail in mailbox.mails]
    assert {*order[:2]} == {"high0", "only"}
    assert [name for name in order if name != "only"] == [
        *(f"high{number}" for number in range(9)),
        *(f"low{number}" for number in range(13)),
    ]


@pytest.mark.parametrize("names", [[], ["hashjoin", "mergejoin", "hashagg", "material", "sort"]])
def test_a_claim_takes_what_it_says_however_it_is_planned(
    acme: TenantIdentity, globex: TenantIdentity, names: list[str]
) -> None:
    for number in range(12):
        post((acme, globex)[number % 2], f"{number}@acme.example")
    with context.operator():
        with connection.cursor() as cursor:
            for name in names:
                cursor.execute(f"SET enable_{name} = off")
        taken = [claiming.claim(lease=uuid4(), at=NOW, most=3, lines=Lines()) for _ in range(5)]
        with connection.cursor() as cursor:
            cursor.execute("RESET ALL")
        claimed = {found.mail_id for batch in taken for found in batch}
        in_rows = OutgoingMail.objects.filter(state=MailState.PROCESSING)
        assert {*in_rows.values_list("id", flat=True)} == claimed

    assert [len(batch) for batch in taken] == [3, 3, 3, 3, 0]
    assert len(claimed) == 12


def test_many_lines_are_gone_through_in_rounds(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    lines = sorted(uuid4() for _ in range(7))
    for line in lines:
        for number in range(3):
            mail = post(acme, f"{number}@acme.example")
            with context.operator():
                OutgoingMail.objects.filter(id=mail.id).update(line=line)

    served: list[UUID] = []
    after = None
    with context.operator():
        for _ in range(2):
            batch = claiming.claim(lease=uuid4(), at=NOW, most=4, lines=Lines(), after=after)
            served += [found.line for found in batch]
            after = max(found.line for found in batch)

    assert served[:4] == lines[:4]
    assert served[4:] == [*lines[4:], lines[4]]


def test_whoever_looks_sees_that_it_is_being_sent(
    acme: TenantIdentity, globex: TenantIdentity, mailbox: Mailbox, installation: Installation
) -> None:
    mails = [post(acme), post(globex, "ida@globex.example")]
    look = "SELECT array_agg(state ORDER BY state) FROM mail_outgoingmail"
    seen: list[list[str]] = []

    def watch(_: object) -> str:
        with installation.owner() as observer:
            [states] = observer.execute(look).fetchone() or [[]]
        seen.append(states)
        return "451 later" if len(seen) == 1 else OK

    mailbox.answer = watch

    assert deliver() == (1, 1)

    assert seen == [["PROCESSING", "PROCESSING"], ["PENDING", "PROCESSING"]]
    assert sorted(row(mail).state for mail in mails) == ["PENDING", "SENT"]


def test_a_mail_whose_sender_always_dies_ends(
    acme: TenantIdentity, globex: TenantIdentity, mailbox: Mailbox
) -> None:
    poison, other = post(acme), post(globex, "ida@globex.example")
    at = NOW
    with context.operator():
        for _ in range(delivery.MOST_ATTEMPTS):
            claiming.claim(lease=uuid4(), at=at, most=1, lines=Lines(only=[poison.line]))
            at += claiming.LEASE

    assert deliver(at) == (1, 0)

    assert (row(poison).state, row(other).state) == ("FAILED", "SENT")
    assert row(poison).last_error == "whoever sent it died of it every time"
