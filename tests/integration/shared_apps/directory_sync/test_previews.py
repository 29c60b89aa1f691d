"""What a directory and a tenant differ in, judged, carried out and taken back."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from people_file import Account

from shared_apps.accounts import disabling
from shared_apps.accounts import services as accounts
from shared_apps.accounts.errors import LastAdminError
from shared_apps.accounts.models import User, UserTenantRole
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import AppError
from shared_apps.directory_sync import (
    applying,
    background,
    listing,
    plans,
    scheduled,
    selectors,
    services,
)
from shared_apps.directory_sync.choices import Schedule
from shared_apps.directory_sync.errors import (
    ApplyFailedError,
    DriftError,
    FieldUnknownError,
    FourEyesError,
    ListingRunningError,
    NoDirectoryError,
    OtherPlanError,
    PreviewExpiredError,
    PreviewNotFoundError,
    StateError,
)
from shared_apps.directory_sync.models import SyncPreview
from tests.attacks.directories import by_passwords_again
from tests.concurrency import at_once
from tests.directories.sync_bed import GROUPS, NOW, Bed, bed_of, everybody
from tests.people import make_person

REASON = "the branch in Graz has closed"


@pytest.fixture
def bed(acme: TenantIdentity, globex: TenantIdentity, tmp_path: Path) -> Bed:
    return bed_of(acme, globex, tmp_path)


def test_new_modified_and_gone_are_counted_and_shown_field_by_field(bed: Bed) -> None:
    kept = [bed.add(f"kept{number}") for number in range(8)]
    renamed, promoted, gone = bed.add("renamed"), bed.add("promoted"), bed.add("gone")
    bed.say(renamed, name="Re Named", username="renamed2")
    bed.say(promoted, groups=("cn=writers",))
    bed.directory.file.remove(gone)
    for number in range(3):
        bed.add(f"new{number}", signs_in=False)
    bed.add("without-role", signs_in=False, groups=())
    bed.add("disabled", signs_in=False, state="disabled")
    before = everybody()

    preview = bed.preview()

    assert (preview.new_count, preview.modified_count, preview.deleted_count) == (3, 2, 1)
    assert preview.diff_data == {
        "new": 3, "modified": 2, "deleted": 1, "conflicts": 0,
        "fields": {"name": 1, "role": 1, "username": 1},
    }  # fmt: skip
    assert (preview.state, preview.source_count, preview.dangers) == ("PENDING", 15, [])
    items = bed.items(preview)
    assert set(items) == {"renamed", "promoted", "gone", "new0", "new1", "new2"}
    assert {name: (one["old"], one["new"]) for name, one in items["renamed"].fields.items()} == {
        "name": ("renamed", "Re Named"), "username": ("renamed", "renamed2")
    }  # fmt: skip
    assert everybody() == before

    applied = bed.carry_out(preview)

    assert (applied.state, applied.result) == ("APPLIED", {"applied": 6})
    assert bed.person(renamed) == ("Re Named", "renamed@example.org", "renamed2", "viewer", True)
    assert bed.person(promoted) == (
        "promoted", "promoted@example.org", "promoted", "editor", True
    )  # fmt: skip
    assert bed.person(gone) == ("gone", "gone@example.org", "gone", "viewer", False)
    assert all(bed.person(account)[4] for account in kept)  # type: ignore[index]  # they are here
    after = bed.preview()
    assert (after.new_count, after.modified_count, after.deleted_count) == (0, 0, 0)


def test_a_field_and_a_record_that_are_not_selected_stay(bed: Bed) -> None:
    first, second = bed.add("first"), bed.add("second")
    for account in (first, second):
        bed.say(account, name="Other", email="other@example.org")
    preview = bed.preview()
    seen = preview.fingerprint
    items = bed.items(preview)

    bed.choose(items["other"] if "other" in items else items["first"], name=False)
    with pytest.raises(OtherPlanError):
        services.approve(
            tenant_id=bed.tenant.id, preview_id=preview.id, fingerprint=seen, by=bed.reviews.id, at=NOW
        )  # fmt: skip
    with pytest.raises(FieldUnknownError):
        bed.choose(next(iter(items.values())), role=False)
    bed.carry_out(preview)

    names = sorted(bed.person(account)[:2] for account in (first, second))  # type: ignore[index]  # they are here
    assert names[0] == ("Other", "other@example.org")
    assert names[1][0] in ("first", "second")
    assert names[1][1] == "other@example.org"
    # What was declined is this side's from now on.
    assert bed.preview().modified_count == 0


def test_a_change_on_both_sides_is_shown_and_not_selected(bed: Bed) -> None:
    disabled, told = bed.add("disabled"), bed.add("told")
    bed.preview()
    disabling.disable_member(tenant_id=bed.tenant.id, user_id=bed.user_id(disabled), by=None)
    with context.operator():
        User.objects.filter(id=bed.user_id(told)).update(name="By hand")
    bed.say(told, name="By the directory")

    preview = bed.preview()

    items = bed.items(preview)
    assert set(items) == {"told"}
    assert items["told"].fields == {
        "name": {
            "old": "By hand", "new": "By the directory", "base": "told", "conflict": True,
            "selected": False,
        }
    }  # fmt: skip
    bed.configure(strategies={"name": "overwrite", "is_active": "overwrite"})
    assert {name: item.fields for name, item in bed.items(bed.preview()).items()} == {
        "told": {"name": items["told"].fields["name"] | {"conflict": False, "selected": True}},
        "disabled": {
            "is_active": {
                "old": False, "new": True, "base": True, "conflict": False, "selected": True,
            }
        },
    }  # fmt: skip
    bed.configure(strategies={"name": "skip"})
    assert bed.items(bed.preview()) == {}


def test_a_poisoned_record_leaves_all_of_them_as_they_were(bed: Bed) -> None:
    accounts_made = [bed.add(f"person{number:02}") for number in range(60)]
    for account in accounts_made:
        bed.say(account, name="Changed")
    preview = bed.approve(bed.preview())
    with context.operator():
        poisoned = preview.items.order_by("external_id")[49]
        poisoned.fields["name"]["new"] = "x" * 201
        poisoned.save()
        preview.fingerprint = plans.fingerprint_of(preview)
        preview.save()
    before = everybody()

    with pytest.raises(ApplyFailedError) as refused:
        bed.apply(preview)

    assert refused.value.details == {"record": poisoned.label}
    assert everybody() == before
    assert bed.now(preview).state == "APPROVED"


@pytest.mark.parametrize("side", ["local", "directory"])
def test_what_changed_since_the_preview_stops_it_by_name(bed: Bed, side: str) -> None:
    first, second = bed.add("first"), bed.add("second")
    for account in (first, second):
        bed.say(account, name="Changed")
    preview = bed.approve(bed.preview())
    if side == "local":
        disabling.disable_member(tenant_id=bed.tenant.id, user_id=bed.user_id(second), by=None)
    else:
        bed.say(second, name="Changed again")
    before = everybody()

    with pytest.raises(DriftError) as refused:
        bed.apply(preview)

    assert refused.value.details == {"record": "second@example.org", "side": side}
    assert everybody() == before
    again = bed.preview()
    assert bed.carry_out(again).state == "APPLIED"


def test_a_directory_that_fails_makes_no_preview(bed: Bed) -> None:
    bed.add("first")
    bed.add("second", signs_in=False, id="x" * 201)

    preview = bed.preview()

    assert (preview.state, preview.source_count, preview.fingerprint) == ("FAILED", 0, "")
    assert preview.failure == "Nobody can be signed in at the moment."
    assert bed.items(preview) == {}
    with pytest.raises(StateError):
        bed.approve(preview)


def test_whoever_asked_does_not_approve_where_four_eyes_are_wanted(bed: Bed) -> None:
    bed.configure(four_eyes=True)
    bed.add("new", signs_in=False)
    preview = bed.preview()

    with pytest.raises(FourEyesError):
        services.approve(
            tenant_id=bed.tenant.id, preview_id=preview.id, by=bed.asks.id, at=NOW,
            fingerprint=preview.fingerprint,
        )  # fmt: skip

    assert bed.now(preview).state == "PENDING"
    assert bed.approve(preview).reviewed_by == bed.reviews.id


@pytest.mark.parametrize("is_approved", [False, True])
def test_what_is_too_old_is_not_applied(bed: Bed, is_approved: bool) -> None:
    new = bed.add("new", signs_in=False)
    preview = bed.preview()
    late = NOW + timedelta(hours=24)
    if is_approved:
        bed.approve(preview, at=late - timedelta(seconds=1))

    with pytest.raises(PreviewExpiredError):
        (bed.apply if is_approved else bed.approve)(preview, at=late)

    assert bed.now(preview).state == "EXPIRED"
    assert bed.person(new) is None


def test_of_two_who_decide_at_once_one_does(bed: Bed) -> None:
    new = bed.add("new", signs_in=False)
    preview = bed.preview()

    def reject() -> SyncPreview:
        return services.reject(
            tenant_id=bed.tenant.id, preview_id=preview.id, by=bed.asks.id, at=NOW
        )

    decided = at_once([lambda: bed.approve(preview), reject])

    assert sorted(type(one).__name__ for one in decided) == ["StateError", "SyncPreview"]
    if bed.now(preview).state == "APPROVED":
        applied = at_once([lambda: bed.apply(preview), lambda: bed.apply(preview)])
        assert sorted(type(one).__name__ for one in applied) == ["StateError", "SyncPreview"]
        assert bed.person(new) is not None


def test_only_the_next_state_follows(bed: Bed) -> None:
    bed.add("new", signs_in=False)
    preview = bed.preview()

    def refused(work: Callable[..., object]) -> str:
        with pytest.raises(StateError) as error:
            work(preview)
        return str(error.value.details["state"])

    def reject(preview: SyncPreview) -> object:
        return services.reject(tenant_id=bed.tenant.id, preview_id=preview.id, by=None, at=NOW)

    assert [refused(work) for work in (bed.apply, bed.undo)] == ["PENDING"] * 2
    bed.approve(preview)
    assert [refused(work) for work in (bed.approve, reject, bed.undo)] == ["APPROVED"] * 3
    bed.apply(preview)
    assert [refused(work) for work in (bed.approve, reject, bed.apply)] == ["APPLIED"] * 3
    bed.undo(preview)
    assert [refused(work) for work in (bed.apply, bed.undo)] == ["UNDONE", "UNDONE"]
    rejected = bed.preview()
    reject(rejected)
    with pytest.raises(StateError):
        bed.approve(rejected)


def test_the_last_administrator_stays(bed: Bed) -> None:
    for admin in (bed.asks, bed.reviews):
        disabling.disable_member(tenant_id=bed.tenant.id, user_id=admin.id, by=None)
    boss = bed.add("boss", groups=("cn=admins",))
    bed.add("other")
    bed.directory.file.remove(boss)
    preview = bed.approve(bed.preview())
    with context.operator():
        own = UserTenantRole.objects.get(
            tenant=bed.tenant.id, user__email=f"admin@{bed.tenant.slug}.example"
        )
        UserTenantRole.objects.filter(id=own.id).update(is_active=False)
    before = everybody()

    try:
        with pytest.raises(LastAdminError):
            bed.apply(preview, REASON)

        assert everybody() == before
        assert bed.now(preview).state == "APPROVED"
    finally:
        with context.operator():
            UserTenantRole.objects.filter(id=own.id).update(is_active=True)


def test_undone_everybody_stands_as_before(bed: Bed) -> None:
    kept = [bed.add(f"kept{number}") for number in range(10)]
    changed, gone = bed.add("changed", groups=("cn=writers",)), bed.add("gone")
    before = [bed.person(account) for account in (*kept, changed, gone)]
    bed.say(changed, name="Other", groups=("cn=staff",))
    bed.directory.file.remove(gone)
    new = bed.add("new", signs_in=False)
    preview = bed.carry_out(bed.preview())
    assert bed.person(new) == ("new", "new@example.org", "new", "viewer", True)

    undone = bed.undo(preview)

    assert undone.undone_by == bed.reviews.id
    assert [bed.person(account) for account in (*kept, changed, gone)] == before
    assert bed.person(new) == ("new", "new@example.org", "new", "", False)


def test_what_was_changed_since_is_not_undone(bed: Bed) -> None:
    first, second = bed.add("first"), bed.add("second")
    for account in (first, second):
        bed.say(account, name="Changed")
    preview = bed.carry_out(bed.preview())
    accounts.change_role(
        tenant_id=bed.tenant.id, user_id=bed.user_id(second), role="editor", by=None
    )
    before = everybody()

    with pytest.raises(DriftError) as refused:
        bed.undo(preview)

    assert refused.value.details == {"record": "second@example.org", "side": "local"}
    assert everybody() == before


def test_a_member_who_was_invited_is_linked_and_unlinked(bed: Bed) -> None:
    invited = make_person(bed.tenant, "editor")
    bed.directory.configure(role_groups=GROUPS, link_members=True)
    account = bed.add("invited", signs_in=False, email=invited.email)
    preview = bed.carry_out(bed.preview())
    assert bed.user_id(account) == invited.id
    assert bed.person(account) == ("", invited.email, "invited", "editor", True)

    bed.undo(preview)

    assert bed.person(account) is None
    with context.operator():
        member = UserTenantRole.objects.get(tenant=bed.tenant.id, user=invited.id)
    assert (member.role, member.is_active) == ("editor", True)


def test_another_tenant_sees_and_decides_nothing(bed: Bed, globex: TenantIdentity) -> None:
    bed.add("new", signs_in=False)
    preview = bed.preview()
    before = everybody()
    refused: list[type[AppError]] = []
    for work in (
        lambda: selectors.get_preview(tenant_id=globex.id, preview_id=preview.id),
        lambda: services.approve(
            tenant_id=globex.id, preview_id=preview.id, by=None, at=NOW,
            fingerprint=preview.fingerprint,
        ),
        lambda: services.reject(tenant_id=globex.id, preview_id=preview.id, by=None, at=NOW),
        lambda: applying.undo(tenant_id=globex.id, preview_id=preview.id, by=None, at=NOW),
    ):  # fmt: skip
        with pytest.raises(AppError) as error:
            work()
        refused.append(error.type)

    assert refused == [PreviewNotFoundError] * 4
    assert everybody() == before
    assert bed.now(preview).state == "PENDING"


def test_one_list_at_a_time_and_one_that_was_not_finished_begins_again(bed: Bed) -> None:
    bed.add("new", signs_in=False)
    asked = {"tenant_id": bed.tenant.id, "by": bed.asks.id}
    running = services.request_preview(**asked, at=NOW)  # type: ignore[arg-type]  # as declared
    with pytest.raises(ListingRunningError) as refused:
        services.request_preview(**asked, at=NOW)  # type: ignore[arg-type]  # as declared
    assert refused.value.details == {"id": str(running.id)}

    for _ in range(2):
        listing.carry_out(preview_id=running.id, at=NOW)

    assert (bed.now(running).state, bed.now(running).new_count) == ("PENDING", 1)
    other = services.request_preview(**asked, at=NOW)  # type: ignore[arg-type]  # as declared
    late = NOW + timedelta(hours=3)
    services.request_preview(**asked, at=late)  # type: ignore[arg-type]  # as declared
    assert bed.now(other).state == "FAILED"


def test_by_night_only_where_it_is_wanted(bed: Bed, globex: TenantIdentity) -> None:
    bed.configure(schedule="nightly")
    with attribution.acting(attribution.UNKNOWN), context.operator():
        assert scheduled.request(schedule=Schedule.HOURLY, at=NOW) == 0
        assert scheduled.request(schedule=Schedule.NIGHTLY, at=NOW) == 1
        made = list(SyncPreview.objects.values_list("tenant_id", "state", "requested_by"))
    assert made == [(bed.tenant.id, "LISTING", None)]


def test_without_a_directory_there_is_nothing_to_compare(bed: Bed) -> None:
    by_passwords_again(bed.tenant)

    with pytest.raises(NoDirectoryError):
        bed.preview()


@pytest.mark.parametrize("drifts", [False, True])
def test_many_people_are_written_by_the_worker(bed: Bed, drifts: bool) -> None:
    people = [
        Account(id=f"id-{number:03}", username=f"u{number}", password="", groups=("cn=staff",))
        for number in range(background.AT_ONCE + 1)
    ]
    bed.directory.file.write(people)
    preview = bed.approve(bed.preview())
    asked = {
        "tenant_id": bed.tenant.id, "preview_id": preview.id, "by": bed.reviews.id, "at": NOW,
        "fingerprint": preview.fingerprint, "override_reason": "",
    }  # fmt: skip
    with context.operator():
        waiting = background.apply_or_enqueue(**asked)  # type: ignore[arg-type]  # as declared
    assert (waiting.state, bed.person(people[0])) == ("APPROVED", None)
    if drifts:
        bed.say(people[7], name="Other")

    for _ in range(2):
        background.carry_out(**asked)  # type: ignore[arg-type]  # as declared

    done = bed.now(preview)
    if drifts:
        assert (done.state, bed.person(people[0])) == ("APPROVED", None)
        assert done.failure == "Something has changed since the preview. Make another one. (u7)"
    else:
        assert (done.state, done.failure, done.result) == ("APPLIED", "", {"applied": 501})
        assert bed.person(people[500]) == ("", "", "u500", "viewer", True)
