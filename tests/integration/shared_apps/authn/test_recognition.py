"""Who somebody of a directory is here, and which role they have."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from people_file import Account

from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Role
from shared_apps.accounts.errors import RoleOfDirectoryError
from shared_apps.accounts.models import Identity, User, UserTenantRole
from shared_apps.authn import recognition
from shared_apps.authn.backends.base import Configuration
from shared_apps.authn.backends.directory import DirectoryPerson
from shared_apps.authn.errors import (
    AccountRestrictedError,
    BackendUnavailableError,
    NoMembershipError,
)
from shared_apps.authn.models import Session
from shared_apps.authn.services import signing_in
from shared_apps.authn.services.opening import Client
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.directories.people_files import directory_of
from tests.installation import Installation
from tests.people import make_person

ALICE = DirectoryPerson(
    external_id="6f1c", username="alice", email="alice@globex.example", name="Alice",
    groups=frozenset({"cn=staff,dc=globex"}),
)  # fmt: skip
GROUPS = {
    "admin": ["CN=Admins, DC=Globex"],
    "editor": ["cn=writers,dc=globex"],
    "viewer": ["cn=staff,dc=globex"],
}


def configured(tenant: TenantIdentity, kind: str = "openldap", **options: Any) -> Configuration:
    return Configuration(tenant_id=tenant.id, kind=kind, realm=uuid4(), options=options, secrets={})


def role_at(tenant: TenantIdentity, user_id: UUID) -> tuple[str, str] | None:
    with context.operator():
        roles = UserTenantRole.objects.filter(tenant=tenant.id, user=user_id)
        return roles.values_list("role", "origin").first()


@pytest.mark.parametrize(
    ("groups", "default", "role"),
    [
        ((), None, None),
        (("cn=other,dc=globex",), None, None),
        ((), "editor", Role.EDITOR),
        (("cn=staff,dc=globex",), "editor", Role.VIEWER),
        (("cn=staff,dc=globex", "cn=writers,dc=globex"), None, Role.EDITOR),
        (("CN=ADMINS,DC=GLOBEX", "cn=staff,dc=globex"), None, Role.ADMIN),
        (("cn=admins,dc=globex,dc=evil",), None, None),
    ],
)
def test_the_highest_role_of_the_groups(
    globex: TenantIdentity, groups: tuple[str, ...], default: str | None, role: Role | None
) -> None:
    options = {"role_groups": GROUPS, **({"default_role": default} if default else {})}

    assert recognition.role_of(configured(globex, **options), groups) == role


def test_whom_nothing_lets_in_leaves_no_trace(globex: TenantIdentity) -> None:
    with context.operator():
        before = User.objects.count()

    with pytest.raises(NoMembershipError):
        recognition.recognise(configured(globex), ALICE)

    with context.operator():
        assert (User.objects.count(), Identity.objects.count()) == (before, 0)


@pytest.mark.parametrize(
    ("kind", "option", "is_linked"),
    [
        ("openldap", None, True),
        ("active_directory", None, True),
        ("oracle_oid", None, True),
        ("openldap", False, False),
        ("entra_id", None, False),
        ("entra_id", True, True),
        ("people_file", None, False),
    ],
)
def test_who_was_invited_is_linked_where_addresses_can_be_trusted(
    globex: TenantIdentity, kind: str, option: bool | None, is_linked: bool
) -> None:
    invited = make_person(globex, "editor")
    options = {"default_role": "viewer"} | ({} if option is None else {"link_members": option})

    user = recognition.recognise(
        configured(globex, kind, **options), replace(ALICE, email=invited.email.upper())
    )

    assert (user.id == invited.id) is is_linked
    assert role_at(globex, user.id) == (
        ("editor", "granted") if is_linked else ("viewer", "directory")
    )


def test_the_binding_is_in_the_audit_trail_under_the_persons_name(
    globex: TenantIdentity, system: Installation
) -> None:
    invited = make_person(globex, "editor")

    recognition.recognise(configured(globex), replace(ALICE, email=invited.email))

    with system.owner() as owner:
        rows = owner.execute(
            "SELECT row_to_json(o)::text FROM public.audit_outbox o"
            " WHERE row_to_json(o)::text LIKE '%%accounts_identity%%'"
        ).fetchall()
    assert len(rows) == 1
    assert str(invited.id) in rows[0][0]


def test_a_role_given_by_hand_stays_whatever_the_groups_say(globex: TenantIdentity) -> None:
    configuration = configured(globex, role_groups=GROUPS)
    user = recognition.recognise(configuration, ALICE)
    from_groups = role_at(globex, user.id)
    accounts.change_role(tenant_id=globex.id, user_id=user.id, role=Role.EDITOR, by=None)

    for groups in ((), ("cn=admins,dc=globex",)):
        recognition.recognise(configuration, replace(ALICE, groups=frozenset(groups)))

    assert from_groups == ("viewer", "directory")
    assert role_at(globex, user.id) == ("editor", "granted")


def test_a_role_of_groups_follows_them(globex: TenantIdentity) -> None:
    configuration = configured(globex, role_groups=GROUPS)
    user = recognition.recognise(configuration, ALICE)
    roles = []

    for group in ("cn=admins,dc=globex", "cn=writers,dc=globex", "cn=none", "cn=staff,dc=globex"):
        recognition.recognise(configuration, replace(ALICE, groups=frozenset({group})))
        roles.append(role_at(globex, user.id))

    assert roles == [
        ("admin", "directory"), ("editor", "directory"), None, ("viewer", "directory"),
    ]  # fmt: skip


def test_a_role_of_groups_is_not_taken_away_by_hand(globex: TenantIdentity) -> None:
    """The next sign-in would bring it back behind the administrator's back."""
    user = recognition.recognise(configured(globex, role_groups=GROUPS), ALICE)

    with pytest.raises(RoleOfDirectoryError):
        accounts.revoke_role(tenant_id=globex.id, user_id=user.id, by=None)

    assert role_at(globex, user.id) == ("viewer", "directory")


def test_whom_we_have_disabled_does_not_come_in_by_the_directory(globex: TenantIdentity) -> None:
    configuration = configured(globex, role_groups=GROUPS)
    user = recognition.recognise(configuration, ALICE)
    with context.operator():
        User.objects.filter(id=user.id).update(is_active=False)

    with pytest.raises(AccountRestrictedError):
        recognition.recognise(configuration, ALICE)


@pytest.mark.parametrize("external_id", ["", "x" * 201])
def test_without_a_usable_id_nobody_is_recognised(globex: TenantIdentity, external_id: str) -> None:
    with pytest.raises(BackendUnavailableError):
        recognition.recognise(
            configured(globex, default_role="viewer"), replace(ALICE, external_id=external_id)
        )


def test_what_a_directory_writes_into_names_forges_nothing(globex: TenantIdentity) -> None:
    user = recognition.recognise(
        configured(globex, default_role="viewer"),
        replace(
            ALICE, name="Alice\r\n\x1b[2K2026 forged", username="a\x00", email=f"{'x' * 300}@a.example"
        ),
    )  # fmt: skip

    assert (user.name, user.email) == ("", "")
    with context.operator():
        assert Identity.objects.get(user=user).username == ""


def test_a_sign_in_that_the_change_of_the_backend_overtakes_opens_nothing(
    globex: TenantIdentity, tmp_path: Path
) -> None:
    """The directory is still being asked when the tenant goes over to another one."""
    other_place = tmp_path / "other"
    other_place.mkdir()
    slow, quick = directory_of(globex, tmp_path), directory_of(globex, other_place)
    slow.configure(realm="slow", default_role="viewer")
    alice = Account(id="1", username="alice", password="alice's own password")
    slow.file.path.unlink()
    os.mkfifo(slow.file.path)

    def sign_in() -> Any:
        try:
            return signing_in.sign_in(
                tenant_id=globex.id, username=alice.username, password=alice.password,
                client=Client(ip=None, user_agent=""), at=datetime.now(UTC),
            )  # fmt: skip
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sign_in)
        # Opens as soon as the sign-in reads.
        with slow.file.path.open("w") as answer:
            quick.configure(realm="quick", default_role="viewer")
            answer.write(json.dumps([asdict(alice)]))
        with pytest.raises(BackendUnavailableError):
            waiting.result(timeout=60)

    with context.operator():
        assert Session.objects.count() == 0


def test_the_same_person_in_two_tenants_directories_is_two(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    people = {
        recognition.recognise(configured(tenant, default_role="viewer"), ALICE).id
        for tenant in (acme, globex)
    }

    assert len(people) == 2
