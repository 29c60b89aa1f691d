"""Previews that nobody asks for, and which of them are applied without a person."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from people_file import Account

from shared_apps.accounts import disabling
from shared_apps.accounts.models import User
from shared_apps.core import attribution, context
from shared_apps.core.attribution import Attribution
from shared_apps.core.context import TenantIdentity
from shared_apps.directory_sync import automatic, condition, scheduled, tasks
from shared_apps.directory_sync.choices import Schedule
from shared_apps.directory_sync.models import SyncPreview
from shared_apps.mail import sealing
from shared_apps.mail.models import OutgoingMail
from tests.directories.sync_bed import NOW, Bed, bed_of, everybody
from tests.installation import Installation

CEILINGS = {"max_changes": 3, "max_deactivations": 1}


@pytest.fixture
def bed(acme: TenantIdentity, globex: TenantIdentity, tmp_path: Path) -> Bed:
    bed = bed_of(acme, globex, tmp_path)
    bed.configure(schedule="hourly", auto_apply=CEILINGS)
    return bed


def run(bed: Bed) -> SyncPreview:
    """As beat and a worker do it."""
    with attribution.acting(Attribution(system="task:directory_sync.list")):
        assert scheduled.request(schedule=Schedule.HOURLY, at=datetime.now(UTC)) == 1
        with context.operator():
            preview = SyncPreview.objects.get(tenant=bed.tenant.id, state="LISTING")
            tasks.list_people(preview_id=str(preview.id))
    return bed.now(preview)


def mails() -> list[tuple[str, str]]:
    with context.operator():
        return [
            (mail.recipient, sealing.opened(mail.body))
            for mail in OutgoingMail.objects.order_by("recipient")
        ]


def entries(system: Installation) -> list[tuple[Any, ...]]:
    """Table, operation, person and system of what the shared outbox holds of people."""
    with system.owner() as owner:
        return owner.execute(
            "SELECT DISTINCT table_name, operation, attribution::json->>'user_id', attribution::json->>'system'"
            " FROM audit_outbox WHERE table_name LIKE 'accounts_%' ORDER BY 1, 2"
        ).fetchall()


def test_within_the_ceilings_nobody_is_asked(bed: Bed, system: Installation) -> None:
    kept = [bed.add(f"kept{number}") for number in range(10)]
    renamed, gone = bed.add("renamed"), bed.add("gone")
    bed.say(renamed, name="Re Named")
    bed.directory.file.remove(gone)
    new = bed.add("new", signs_in=False)
    with system.owner() as owner:
        owner.execute("DELETE FROM audit_outbox")

    preview = run(bed)

    assert (preview.state, preview.is_automatic, preview.result) == (
        "APPLIED",
        True,
        {"applied": 3},
    )
    assert (preview.reviewed_by, preview.applied_by) == (None, None)
    assert [bed.person(account)[3:] for account in (renamed, gone, new)] == [  # type: ignore[index]  # they are here
        ("viewer", True), ("viewer", False), ("viewer", True),
    ]  # fmt: skip
    assert all(bed.person(account)[4] for account in kept)  # type: ignore[index]  # they are here
    assert mails() == []
    assert {row[2:] for row in entries(system)} == {(None, "task:directory_sync.list")}
    status = condition.status_of(tenant_id=bed.tenant.id)
    assert (status.problem, status.waiting_count, status.applies_by_itself) == ("", 0, True)


@pytest.mark.parametrize("excess", ["deactivations", "changes", "dangers"])
def test_beyond_them_it_waits_and_the_administrators_are_told(bed: Bed, excess: str) -> None:
    accounts = [bed.add(f"person{number}") for number in range(4 if excess == "dangers" else 40)]
    match excess:
        case "deactivations":
            said = "2 people would be shut out, and without an administrator it may be 1."
            for account in accounts[:2]:
                bed.directory.file.remove(account)
        case "changes":
            said = "4 people would be changed, and without an administrator it may be 3."
            for account in accounts[:4]:
                bed.say(account, name="Other")
        case _:
            bed.configure(schedule="hourly", auto_apply={"max_changes": 9, "max_deactivations": 9})
            said = "It is dangerous: empty_source, too_many_deactivations."
            bed.directory.file.write([])
    before = everybody()

    preview = run(bed)

    assert (preview.state, preview.failure, preview.is_automatic) == ("PENDING", said, False)
    assert everybody() == before
    told = mails()
    addresses = sorted(recipient for recipient, _ in told)
    with context.operator():
        own = [bed.asks.id, bed.reviews.id]
        admins = list(User.objects.filter(id__in=own).values_list("email", flat=True))
    assert addresses == sorted([*admins, f"admin@{bed.tenant.slug}.example"])
    assert all(said in body and str(preview.id) in body for _, body in told)
    status = condition.status_of(tenant_id=bed.tenant.id)
    assert (status.problem, status.waiting_count) == (said, 1)

    again = run(bed)

    assert (again.state, len(mails())) == ("PENDING", 3)
    assert bed.carry_out(again, reason="they are all gone").state == "APPLIED"


def test_a_directory_that_cannot_be_read_is_seen_by_everybody(bed: Bed) -> None:
    kept = bed.add("kept")
    bed.directory.stop()
    before = everybody()

    preview = run(bed)

    assert (preview.state, preview.failure) == ("FAILED", "The file cannot be read.")
    assert everybody() == before
    assert len(mails()) == 3
    problem = condition.status_of(tenant_id=bed.tenant.id).problem
    assert problem == "The file cannot be read."
    (finding,) = condition.find_problems()
    assert finding.subject == f"directory of {bed.tenant.slug}"
    assert "The file cannot be read." in finding.problem
    bed.directory.start()
    assert run(bed).state == "APPLIED"
    assert list(condition.find_problems()) == []
    assert bed.person(kept) is not None


def test_what_both_sides_have_changed_waits_for_a_person_and_holds_up_nobody(bed: Bed) -> None:
    both, gone = bed.add("both"), bed.add("gone")
    for number in range(5):
        bed.add(f"kept{number}")
    run(bed)
    with context.operator():
        User.objects.filter(id=bed.user_id(both)).update(name="By hand")
    bed.say(both, name="By the directory")
    bed.directory.file.remove(gone)

    first, second = run(bed), run(bed)

    assert (first.state, second.state) == ("APPLIED", "APPLIED")
    assert bed.person(gone)[4] is False  # type: ignore[index]  # they are here
    assert [one.diff_data["conflicts"] for one in (first, second)] == [1, 1]
    assert bed.person(both)[0] == "By hand"  # type: ignore[index]  # they are here


def test_done_twice_it_is_done_once(bed: Bed) -> None:
    new = bed.add("new", signs_in=False)
    preview = run(bed)
    before = everybody()

    for _ in range(2):
        tasks.list_people(preview_id=str(preview.id))

    assert everybody() == before
    assert (bed.now(preview).state, bed.now(preview).failure) == ("APPLIED", "")
    assert bed.person(new) is not None


def test_what_somebody_asked_for_is_not_applied_by_itself(bed: Bed) -> None:
    new = bed.add("new", signs_in=False)

    preview = bed.preview()
    automatic.settle(preview_id=preview.id, at=NOW)

    assert (bed.now(preview).state, bed.person(new)) == ("PENDING", None)


def test_without_ceilings_a_preview_waits_and_nobody_is_mailed(bed: Bed) -> None:
    bed.configure(schedule="hourly")
    new = bed.add("new", signs_in=False)

    preview = run(bed)

    assert (preview.state, bed.person(new), mails()) == ("PENDING", None, [])


def test_the_last_administrator_is_not_shut_out_by_night(bed: Bed) -> None:
    boss: Account = bed.add("boss", groups=("cn=admins",))
    for number in range(20):
        bed.add(f"kept{number}")
    with context.operator():
        own = User.objects.get(email=f"admin@{bed.tenant.slug}.example").id
    for admin in (bed.asks.id, bed.reviews.id, own):
        disabling.disable_member(tenant_id=bed.tenant.id, user_id=admin, by=None)
    bed.directory.file.remove(boss)
    try:
        preview = run(bed)

        assert (preview.state, preview.is_automatic) == ("APPROVED", True)
        assert "administer" in preview.failure or "administrator" in preview.failure
        assert bed.person(boss)[4] is True  # type: ignore[index]  # they are here
    finally:
        disabling.enable_member(tenant_id=bed.tenant.id, user_id=own, by=None)
