"""Many people at once: linked, made, changed and shut out in portions, while others go on."""

from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connections, transaction

from shared_apps.accounts import directory_intake, disabling, selectors
from shared_apps.accounts.models import Identity, User
from shared_apps.authn import recognition
from shared_apps.authn.backends import backend_for
from shared_apps.authn.backends.directory import DirectoryBackend
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.concurrency import at_once
from tests.directories.sync_bed import GROUPS, Bed, bed_of, everybody
from tests.people import make_person


@pytest.fixture
def bed(acme: TenantIdentity, globex: TenantIdentity, tmp_path: Path) -> Bed:
    bed = bed_of(acme, globex, tmp_path)
    bed.directory.configure(role_groups=GROUPS, link_members=True)
    return bed


def test_one_portion_holds_people_of_every_kind(bed: Bed, globex: TenantIdentity) -> None:
    invited, elsewhere = make_person(bed.tenant, "editor"), make_person(globex, "admin")
    kept = [bed.add(f"kept{number}") for number in range(10)]
    renamed, promoted, gone = bed.add("renamed"), bed.add("promoted"), bed.add("gone")
    bed.say(renamed, name="Re Named", username="renamed2", email="other@example.org")
    bed.say(promoted, groups=("cn=writers",))
    bed.directory.file.remove(gone)
    linked = bed.add("linked", signs_in=False, email=invited.email)
    stranger = bed.add("stranger", signs_in=False, email=elsewhere.email)
    new = bed.add("new", signs_in=False, groups=("cn=admins",))
    before = everybody()

    preview = bed.carry_out(bed.preview())

    assert preview.result == {"applied": 6}
    assert {account.username: bed.person(account) for account in (renamed, promoted, gone, new)} == {
        "renamed": ("Re Named", "other@example.org", "renamed2", "viewer", True),
        "promoted": ("promoted", "promoted@example.org", "promoted", "editor", True),
        "gone": ("gone", "gone@example.org", "gone", "viewer", False),
        "new": ("new", "new@example.org", "new", "admin", True),
    }  # fmt: skip
    assert all(bed.person(account)[4] for account in kept)  # type: ignore[index]  # they are here
    assert bed.user_id(linked) == invited.id
    # Whom another tenant has by that address is nobody's here.
    assert bed.user_id(stranger) != elsewhere.id
    assert bed.person(stranger) == ("stranger", elsewhere.email, "stranger", "viewer", True)

    bed.undo(preview)

    users, members, identities = everybody()
    made = {bed.user_id(stranger), bed.user_id(new)}
    assert [row for row in users if row["id"] not in made] == before[0]
    assert members == before[1]
    assert [row for row in identities if row["user_id"] not in made] == before[2]


def test_somebody_who_signs_in_meanwhile_is_one_person(bed: Bed) -> None:
    new = [bed.add(f"new{number}", signs_in=False) for number in range(4)]
    preview = bed.approve(bed.preview())

    done = at_once(
        [lambda: bed.apply(preview), *([lambda: _sign_in(bed, new[0])] * 3)]
    )  # fmt: skip

    with context.operator():
        assert Identity.objects.filter(external_id=new[0].id).count() == 1
        assert User.objects.filter(email=new[0].email).count() == 1
    # Whichever was first; the other one sees it.
    assert {type(one).__name__ for one in done} <= {"SyncPreview", "DriftError", "User"}
    assert [type(one).__name__ for one in done[1:]] == ["User"] * 3


def test_others_of_the_tenant_go_on_meanwhile(bed: Bed) -> None:
    known, other = bed.add("known"), bed.add("other")
    held, ended = Event(), Event()
    backend = backend_for(bed.tenant.id)
    assert isinstance(backend, DirectoryBackend)
    realm = backend.configuration.realm

    def hold() -> None:
        with context.operator(), transaction.atomic():
            directory_intake.take_turn(realm=realm)
            directory_intake.change_people(
                {bed.user_id(known): {"name": "Changed"}}, tenant_id=bed.tenant.id, realm=realm,
                at=preview_at,
            )  # fmt: skip
            held.set()
            ended.wait(30)
        connections.close_all()

    preview_at = bed.preview().requested_at
    applying = Thread(target=hold)
    applying.start()
    try:
        assert held.wait(30)
        with context.operator():
            members = selectors.list_members(tenant_id=bed.tenant.id)
            assert bed.user_id(known) in {member.user_id for member in members}
        disabling.disable_member(tenant_id=bed.tenant.id, user_id=bed.user_id(other), by=None)
    finally:
        ended.set()
        applying.join()
    assert bed.person(known)[0] == "Changed"  # type: ignore[index]  # they are here
    assert bed.person(other)[4] is False  # type: ignore[index]  # they are here


def _sign_in(bed: Bed, account: Any) -> User:
    backend = backend_for(bed.tenant.id)
    assert isinstance(backend, DirectoryBackend)
    return recognition.recognise(backend.configuration, account.person)
