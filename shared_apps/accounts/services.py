"""Changes of people and roles. All run in the operator's context, whoever asks."""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from shared_apps.accounts import granting, passwords, selectors
from shared_apps.accounts.choices import Role, RoleOrigin
from shared_apps.accounts.emails import validated_email
from shared_apps.accounts.errors import (
    LastAdminError,
    OwnRoleError,
    PersonExistsError,
    PersonHasRolesError,
    PersonNotFoundError,
    RoleExistsError,
    RoleOfDirectoryError,
)
from shared_apps.accounts.models import User, UserTenantRole
from shared_apps.accounts.new_passwords import replace_hash
from shared_apps.core import context


def create_person(
    *, tenant_id: UUID, email: str, name: str, role: str, password: str | None, by: UUID | None,
    at: datetime, must_change_password: bool = False,
) -> UserTenantRole:  # fmt: skip
    """Give somebody a role in a tenant, and an account if there is none with this address.

    An account that exists is not changed: its owner's name and password are not this tenant's.
    Without a password nobody can sign in with one.

    Raises:
        EmailError: not an address.
        PasswordRejectedError: the password breaks the rules; whether or not the account exists.
        RoleExistsError: this person has a role here already.
        RoleUnknownError, RoleExceedsOwnError: as for `grant_role`.
    """
    person = new_person(email=email, name=name, password=password, at=at)
    with context.operator(), transaction.atomic():
        defaults = {
            "id": person.id,
            "name": person.name,
            "password": person.password,
            "password_changed_at": person.password_changed_at,
            "must_change_password": must_change_password and password is not None,
            "created_at": person.created_at,
        }
        user, _ = User.objects.get_or_create(email=person.email, realm=None, defaults=defaults)
        return grant_role(tenant_id=tenant_id, user_id=user.id, role=role, by=by, at=at)


def ensure_admin(
    *, tenant_id: UUID, email: str, password: str | None, at: datetime
) -> UserTenantRole:
    """Make somebody an administrator of a tenant; safe to repeat, for provisioning.

    Raises:
        EmailError, PasswordRejectedError: as for anybody.
    """
    user = selectors.find_user_by_email(email=email)
    member = selectors.find_member(tenant_id=tenant_id, user_id=user.id) if user else None
    if member is None:
        return create_person(
            tenant_id=tenant_id, email=email, name="", role=Role.ADMIN, password=password, by=None, at=at
        )  # fmt: skip
    if member.role == Role.ADMIN:
        return member
    return change_role(tenant_id=tenant_id, user_id=member.user_id, role=Role.ADMIN, by=None)


def require_acceptable_password(*, email: str, password: str) -> None:
    """Before anything is made for a new person.

    Raises:
        EmailError, PasswordRejectedError: as `create_person` would.
    """
    passwords.require_acceptable(password, person=User(email=validated_email(email)))


def create_operator(*, email: str, name: str, password: str, at: datetime) -> User:
    """Create somebody who runs the installation.

    Raises:
        EmailError, PasswordRejectedError: as for anybody.
        PersonExistsError: somebody has this address; an account is never raised to an operator's,
            because a tenant's administrator may know its password.
    """
    person = new_person(email=email, name=name, password=password, at=at)
    person.is_operator = person.is_managed_by_operator = True
    return save_new(person)


def create_managed_person(*, email: str, name: str, password: str, at: datetime) -> User:
    """Create somebody whom operators may give roles over several tenants.

    Raises:
        EmailError, PasswordRejectedError, PersonExistsError: as for an operator.
    """
    person = new_person(email=email, name=name, password=password, at=at)
    person.is_managed_by_operator = True
    return save_new(person)


def grant_role(
    *, tenant_id: UUID, user_id: UUID, role: str, by: UUID | None, at: datetime
) -> UserTenantRole:
    """Give somebody a role: a built-in one or one of the tenant's own.

    Raises:
        RoleUnknownError: the tenant has none of this name.
        RoleExceedsOwnError: `by` may not do everything that it allows.
        RoleExistsError: one role per person and tenant; change it instead.
    """
    with context.operator():
        try:
            with transaction.atomic():
                given = granting.find_role(tenant_id=tenant_id, name=role)
                granting.require_within(given.permissions, tenant_id=tenant_id, by=by)
                member = UserTenantRole.objects.create(
                    tenant_id=tenant_id, user_id=user_id, role=given.name, custom_role=given.custom,
                    granted_at=at, granted_by=by,
                )  # fmt: skip
        except IntegrityError:
            if selectors.find_member(tenant_id=tenant_id, user_id=user_id) is None:
                raise
            raise RoleExistsError from None
        return selectors.get_member(tenant_id=tenant_id, user_id=member.user_id)


def change_role(*, tenant_id: UUID, user_id: UUID, role: str, by: UUID | None) -> UserTenantRole:
    """Give a person another role; it counts from their next request on, and stays whatever groups say.

    Raises:
        PersonNotFoundError: nobody of this tenant.
        RoleUnknownError: the tenant has no such role.
        RoleExceedsOwnError: `by` may not do everything that the one or the other allows.
        OwnRoleError: nobody changes their own role.
        LastAdminError: no administrator would be left.
    """
    with context.operator(), transaction.atomic():
        given = granting.find_role(tenant_id=tenant_id, name=role)
        member = lock_member(
            tenant_id=tenant_id, user_id=user_id, by=by, keeps_admin=role == Role.ADMIN
        )
        granting.require_within(given.permissions, tenant_id=tenant_id, by=by)
        member.role, member.custom_role = given.name, given.custom
        member.origin = RoleOrigin.GRANTED
        member.save(update_fields=["role", "custom_role", "origin"])
    return member


def revoke_role(*, tenant_id: UUID, user_id: UUID, by: UUID | None) -> None:
    """Take a person's role away. Their sessions in this tenant hang on it and end with it.

    Raises:
        PersonNotFoundError: nobody of this tenant.
        OwnRoleError: nobody takes away their own role.
        RoleExceedsOwnError: it allows more than `by` may do.
        LastAdminError: no administrator would be left.
        RoleOfDirectoryError: the next sign-in would bring it back.
    """
    with context.operator(), transaction.atomic():
        member = lock_member(tenant_id=tenant_id, user_id=user_id, by=by, keeps_admin=False)
        if member.origin == RoleOrigin.DIRECTORY:
            raise RoleOfDirectoryError
        member.delete()


def check_password(*, email: str, password: str) -> User | None:
    """The active person with this address and password.

    Whoever is asked for, known or not, it takes the time of one hash. No transaction is open
    meanwhile.

    Raises:
        PasswordChecksBusyError: too many are being checked.
    """
    user = selectors.find_user_by_email(email=email)
    check = passwords.verify_password(password, user.password if user else None)
    if user is None or not user.is_active or not check.is_correct:
        return None
    if check.needs_rehash:
        replace_hash(user=user, encoded=passwords.hash_password(password))
    return user


def spend_password_check() -> None:
    """Take the time of a check, for a sign-in that was refused before there was anything to check.

    Raises:
        PasswordChecksBusyError: too many are being checked.
    """
    passwords.verify_password("", None)


def delete_person(*, user_id: UUID) -> None:
    """Delete somebody who has no role left anywhere; an unknown id is somebody who is gone already.

    Raises:
        PersonHasRolesError: take the roles away first, tenant by tenant.
    """
    with context.operator(), transaction.atomic():
        user = User.objects.select_for_update().filter(id=user_id).first()
        if user is None:
            return
        if user.is_operator or user.tenant_roles.exists() or user.cross_tenant_grants.exists():
            raise PersonHasRolesError
        user.delete()


def new_person(*, email: str, name: str, password: str | None, at: datetime) -> User:
    """Not saved. Raises EmailError, PasswordRejectedError."""
    person = User(email=validated_email(email), name=name, created_at=at)
    if password is None:
        person.password = passwords.unusable_hash()
    else:
        passwords.require_acceptable(password, person=person)
        person.password = passwords.hash_password(password)
        person.password_changed_at = at
    return person


def save_new(person: User) -> User:
    """Raises PersonExistsError: somebody has this address."""
    with context.operator():
        try:
            with transaction.atomic():
                person.save(force_insert=True)
        except IntegrityError:
            if selectors.find_user_by_email(email=person.email) is None:
                raise
            raise PersonExistsError from None
    return person


def lock_member(
    *, tenant_id: UUID, user_id: UUID, by: UUID | None, keeps_admin: bool
) -> UserTenantRole:
    """The member's row, locked together with those of all administrators and of whoever changes it.

    In primary-key order, so that two administrators who demote each other wait for one another
    instead of both succeeding or deadlocking; the second then sees what the first left.
    """
    if by == user_id:
        raise OwnRoleError
    members = UserTenantRole.objects.filter(tenant_id=tenant_id)
    concerned = members.filter(Q(role=Role.ADMIN) | Q(user_id__in=[user_id, *([by] if by else [])]))
    concerned = concerned.select_related("user", "custom_role").order_by("pk")
    locked = list(concerned.select_for_update(of=("self",)))
    member = next((row for row in locked if row.user_id == user_id), None)
    if member is None:
        raise PersonNotFoundError
    others = [
        row
        for row in locked
        if row is not member and row.role == Role.ADMIN and row.is_active and row.user.is_active
    ]
    if member.role == Role.ADMIN and not keeps_admin and not others:
        raise LastAdminError
    granting.require_within(member.permissions, tenant_id=tenant_id, by=by)
    return member
