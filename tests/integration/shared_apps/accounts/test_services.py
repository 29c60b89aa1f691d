from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.test import override_settings

from shared_apps.accounts import cross_tenant_roles, new_passwords, selectors, services
from shared_apps.accounts.choices import CrossTenantRole, Role
from shared_apps.accounts.errors import (
    EmailError,
    LastAdminError,
    OwnRoleError,
    PasswordRejectedError,
    PersonExistsError,
    PersonHasRolesError,
    PersonNotFoundError,
    RoleExistsError,
    SignInNotControlledError,
    WrongPasswordError,
)
from shared_apps.accounts.models import User, UserTenantRole
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants.models import Tenant
from tests.concurrency import at_once
from tests.installation import PASSWORD
from tests.people import Person, make_person

NOW = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)


@pytest.fixture
def startup(acme: TenantIdentity) -> Iterator[TenantIdentity]:
    """A tenant without people; it needs no schema for that."""
    slug = f"startup-{uuid4().hex[:8]}"
    schema = f"t_{slug.replace('-', '_')}"
    with context.operator():
        tenant = Tenant(slug=slug, name=slug, schema_name=schema, role_name=f"d_{schema}")
        tenant.save()
    yield tenant.identity
    with context.operator():
        UserTenantRole.objects.filter(tenant_id=tenant.id).delete()
        # Without the cascade of django-tenants, which would look for a schema.
        Tenant.objects.filter(id=tenant.id)._raw_delete("default")


def role_of(tenant: TenantIdentity, user_id: UUID) -> str | None:
    member = selectors.find_member(tenant_id=tenant.id, user_id=user_id)
    return member.role if member else None


def count_people() -> int:
    with context.operator():
        return User.objects.count()


def create(tenant: TenantIdentity, email: str, role: Role = Role.EDITOR) -> UserTenantRole:
    return services.create_person(
        tenant_id=tenant.id,
        email=email,
        name="Grace",
        role=role,
        password=PASSWORD,
        by=None,
        at=NOW,
    )


def test_create_person_makes_an_account_with_a_role(acme: TenantIdentity) -> None:
    member = create(acme, " Grace@Acme.Example ")

    assert (member.user.email, member.role, member.granted_at) == (
        "grace@acme.example",
        "editor",
        NOW,
    )
    assert member.user.password_changed_at == NOW
    assert services.check_password(email="GRACE@acme.example", password=PASSWORD) == member.user


def test_create_person_without_a_password_leaves_none_that_works(acme: TenantIdentity) -> None:
    member = services.create_person(
        tenant_id=acme.id, email="ida@acme.example", name="", role=Role.VIEWER, password=None,
        by=None, at=NOW,
    )  # fmt: skip

    assert not member.user.has_usable_password()
    assert services.check_password(email="ida@acme.example", password="!") is None


def test_create_person_gives_somebody_known_elsewhere_a_role_and_nothing_else(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    known = create(acme, "grace@acme.example")

    member = services.create_person(
        tenant_id=globex.id, email="GRACE@acme.example", name="Mallory", role=Role.ADMIN,
        password="chosen by the admin of globex", by=None, at=NOW,
    )  # fmt: skip

    assert (member.user_id, member.user.name) == (known.user_id, "Grace")
    assert (role_of(acme, known.user_id), role_of(globex, known.user_id)) == ("editor", "admin")
    assert services.check_password(email="grace@acme.example", password=PASSWORD) is not None


@pytest.mark.parametrize("email", ["", "grace", "gr\nace@acme.example"])
def test_create_person_refuses_what_is_no_address(acme: TenantIdentity, email: str) -> None:
    people = count_people()

    with pytest.raises(EmailError):
        create(acme, email)

    assert count_people() == people


def test_create_person_judges_the_password_whether_or_not_the_account_exists(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    create(acme, "grace@acme.example")
    people = count_people()

    for email in ("grace@acme.example", "unknown@acme.example"):
        with pytest.raises(PasswordRejectedError):
            services.create_person(
                tenant_id=globex.id, email=email, name="", role=Role.VIEWER, password="short",
                by=None, at=NOW,
            )  # fmt: skip

    assert count_people() == people


def test_create_person_twice_is_a_conflict_and_keeps_the_role(acme: TenantIdentity) -> None:
    member = create(acme, "grace@acme.example")

    with pytest.raises(RoleExistsError):
        create(acme, "grace@acme.example", Role.ADMIN)

    assert role_of(acme, member.user_id) == "editor"


def test_create_person_by_many_at_once_makes_one(acme: TenantIdentity) -> None:
    results = at_once([lambda: create(acme, "grace@acme.example")] * 6)

    assert sum(isinstance(result, UserTenantRole) for result in results) == 1
    assert sum(isinstance(result, RoleExistsError) for result in results) == 5


def test_change_role(acme: TenantIdentity) -> None:
    person = make_person(acme, "viewer")

    member = services.change_role(tenant_id=acme.id, user_id=person.id, role=Role.EDITOR, by=None)

    assert member.role == role_of(acme, person.id) == "editor"


def test_nobody_changes_their_own_role(acme: TenantIdentity) -> None:
    admin = make_person(acme, "admin")

    with pytest.raises(OwnRoleError):
        services.change_role(tenant_id=acme.id, user_id=admin.id, role=Role.VIEWER, by=admin.id)
    with pytest.raises(OwnRoleError):
        services.revoke_role(tenant_id=acme.id, user_id=admin.id, by=admin.id)

    assert role_of(acme, admin.id) == "admin"


def test_somebody_of_another_tenant_is_nobody(acme: TenantIdentity, globex: TenantIdentity) -> None:
    stranger = make_person(globex)

    with pytest.raises(PersonNotFoundError):
        services.change_role(tenant_id=acme.id, user_id=stranger.id, role=Role.VIEWER, by=None)
    with pytest.raises(PersonNotFoundError):
        services.revoke_role(tenant_id=acme.id, user_id=stranger.id, by=None)

    assert role_of(globex, stranger.id) == "editor"


def test_a_tenant_keeps_its_last_admin(startup: TenantIdentity) -> None:
    admin = make_person(startup, "admin")
    make_person(startup, "editor")

    with pytest.raises(LastAdminError):
        services.change_role(tenant_id=startup.id, user_id=admin.id, role=Role.EDITOR, by=None)
    with pytest.raises(LastAdminError):
        services.revoke_role(tenant_id=startup.id, user_id=admin.id, by=None)

    assert role_of(startup, admin.id) == "admin"


def test_a_disabled_admin_does_not_count(startup: TenantIdentity) -> None:
    admin, disabled = make_person(startup, "admin"), make_person(startup, "admin")
    with context.operator():
        User.objects.filter(id=disabled.id).update(is_active=False)

    with pytest.raises(LastAdminError):
        services.revoke_role(tenant_id=startup.id, user_id=admin.id, by=disabled.id)


@pytest.mark.parametrize("attempt", range(5))
def test_two_admins_who_demote_each_other_leave_one(startup: TenantIdentity, attempt: int) -> None:
    ada, bob = make_person(startup, "admin"), make_person(startup, "admin")

    def demote(person: Person, by: Person) -> str:
        services.change_role(tenant_id=startup.id, user_id=person.id, role=Role.VIEWER, by=by.id)
        return "demoted"

    results = at_once([lambda: demote(ada, bob), lambda: demote(bob, ada)])

    assert results.count("demoted") == 1
    assert sum(isinstance(result, LastAdminError) for result in results) == 1
    assert sorted([role_of(startup, ada.id), role_of(startup, bob.id)]) == ["admin", "viewer"]


def test_ensure_admin_can_be_repeated(startup: TenantIdentity) -> None:
    def ensure() -> UserTenantRole:
        return services.ensure_admin(
            tenant_id=startup.id, email="root@startup.example", password=PASSWORD, at=NOW
        )

    first, again = ensure(), ensure()
    other = make_person(startup, "admin")
    services.change_role(tenant_id=startup.id, user_id=first.user_id, role=Role.VIEWER, by=other.id)

    assert again.id == first.id
    assert ensure().role == "admin"


def test_create_operator_does_not_raise_an_account_that_exists(acme: TenantIdentity) -> None:
    person = make_person(acme, "viewer")

    with pytest.raises(PersonExistsError):
        services.create_operator(email=person.email, name="", password=PASSWORD, at=NOW)

    user = selectors.find_user(user_id=person.id)
    assert user is not None
    assert not user.is_operator


def test_cross_tenant_roles_are_for_people_whom_an_operator_created(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    auditor = services.create_managed_person(
        email="anna@example.com", name="Anna", password=PASSWORD, at=NOW
    )
    for tenant in (acme, globex):
        cross_tenant_roles.grant_role(
            tenant_id=tenant.id, user_id=auditor.id, role=CrossTenantRole.AUDITOR, by=None, at=NOW
        )

    assert selectors.list_installation_roles(user=auditor) == ("auditor",)


def test_cross_tenant_roles_are_not_for_a_tenants_people(acme: TenantIdentity) -> None:
    person = make_person(acme, "admin")

    with pytest.raises(SignInNotControlledError):
        cross_tenant_roles.grant_role(
            tenant_id=acme.id, user_id=person.id, role=CrossTenantRole.AUDITOR, by=None, at=NOW
        )

    user = selectors.find_user(user_id=person.id)
    assert user is not None
    assert selectors.list_installation_roles(user=user) == ()


def test_grant_cross_tenant_role_twice_is_a_conflict(acme: TenantIdentity) -> None:
    auditor = services.create_managed_person(
        email="anna@example.com", name="", password=PASSWORD, at=NOW
    )

    def grant() -> None:
        cross_tenant_roles.grant_role(
            tenant_id=acme.id, user_id=auditor.id, role=CrossTenantRole.SUPPORT, by=None, at=NOW
        )

    grant()
    with pytest.raises(RoleExistsError):
        grant()


def test_check_password_replaces_a_hash_of_other_parameters(acme: TenantIdentity) -> None:
    person = make_person(acme)
    before = selectors.find_user(user_id=person.id)

    with override_settings(
        PASSWORD_HASHERS=["shared_apps.accounts.hashers.LowMemoryArgon2PasswordHasher"]
    ):
        assert services.check_password(email=person.email, password=PASSWORD) is not None
        after = selectors.find_user(user_id=person.id)
        assert services.check_password(email=person.email, password=PASSWORD) is not None

    assert before is not None
    assert after is not None
    assert "m=65536,t=3" in after.password
    assert after.password_changed_at == before.password_changed_at


def test_change_password(acme: TenantIdentity) -> None:
    person = make_person(acme)

    new_passwords.change_password(
        user_id=person.id, old_password=PASSWORD, new_password="another good one", at=NOW
    )

    assert services.check_password(email=person.email, password=PASSWORD) is None
    assert services.check_password(email=person.email, password="another good one") is not None
    state = selectors.get_password_state(user_id=person.id)
    assert (state.changed_at, state.is_usable, state.min_length) == (NOW, True, 12)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("wrong", "another good one", WrongPasswordError),
        (PASSWORD, "short", PasswordRejectedError),
        (PASSWORD, PASSWORD, PasswordRejectedError),
    ],
)
def test_change_password_refuses(
    acme: TenantIdentity, old: str, new: str, error: type[Exception]
) -> None:
    person = make_person(acme)

    with pytest.raises(error):
        new_passwords.change_password(user_id=person.id, old_password=old, new_password=new, at=NOW)

    assert services.check_password(email=person.email, password=PASSWORD) is not None


def test_one_old_password_changes_it_once(acme: TenantIdentity) -> None:
    person = make_person(acme)

    def change(new: str) -> str:
        new_passwords.change_password(
            user_id=person.id, old_password=PASSWORD, new_password=new, at=NOW
        )
        return new

    chosen = [f"good password number {number}" for number in range(4)]
    results = at_once([lambda new=new: change(new) for new in chosen])

    [winner] = [result for result in results if isinstance(result, str)]
    assert sum(isinstance(result, WrongPasswordError) for result in results) == 3
    assert services.check_password(email=person.email, password=winner) is not None


def test_delete_person_is_for_who_has_no_role_left(startup: TenantIdentity) -> None:
    member = create(startup, "leaving@startup.example", Role.EDITOR)

    with pytest.raises(PersonHasRolesError):
        services.delete_person(user_id=member.user_id)
    assert role_of(startup, member.user_id) == Role.EDITOR

    services.revoke_role(tenant_id=startup.id, user_id=member.user_id, by=None)
    services.delete_person(user_id=member.user_id)
    services.delete_person(user_id=member.user_id)
    assert selectors.find_user_by_email(email="leaving@startup.example") is None
