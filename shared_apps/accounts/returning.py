"""People of a tenant that comes back from an archive. In the operator's context."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction

from shared_apps.accounts import granting, identities, passwords, selectors
from shared_apps.accounts.choices import RoleOrigin
from shared_apps.accounts.models import Identity, User, UserTenantRole
from shared_apps.accounts.services import new_person, save_new
from shared_apps.core import context

# The role's name of somebody who comes back without one.
_DELETED_ROLE = "deleted"


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the tenant's directory means by a person."""

    external_id: str
    username: str
    is_all: bool
    """The person was never anything but this directory's: name and address are what it said of them."""


@dataclass(frozen=True, slots=True)
class Person:
    id: UUID
    email: str
    name: str
    role: str | None
    """None: it was deleted from under them. They may do nothing."""
    is_active: bool
    origin: RoleOrigin = RoleOrigin.GRANTED
    account: Account | None = None


def restore_member(*, tenant_id: UUID, person: Person, at: datetime) -> None:
    """Give somebody the role that they had. Whoever has this address now is meant; if nobody has, they
    get an account without a password, with the id that they had unless it is somebody else's.

    Raises:
        EmailError: not an address.
        RoleUnknownError: the tenant has none of this name.
        IntegrityError: this person has a role here already.
    """
    with context.operator(), transaction.atomic():
        if selectors.find_user_by_email(email=person.email) is None:
            made = new_person(email=person.email, name=person.name, password=None, at=at)
            made.id = _free_id(person, else_=made.id)
            save_new(made)
        user = selectors.find_user_by_email(email=person.email)
        assert user is not None
        _give_role(tenant_id, user, person, at)


def restore_of_directory(
    *, tenant_id: UUID, realm: UUID, person: Person, links_members: bool, at: datetime
) -> None:
    """Have the tenant's directory mean the person again whom it meant, with the role and the standing that
    they had: whoever was shut out stays so.

    A member whom it was bound to is bound again where a sign-in could do that; otherwise, unless a person
    gave the role, they are its own from now on. No account is found by what it says of an address.

    Raises:
        EmailError, RoleUnknownError, IntegrityError: as for a member.
    """
    account = person.account
    assert account is not None
    with context.operator(), transaction.atomic():
        if not account.is_all:
            restore_member(tenant_id=tenant_id, person=person, at=at)
            if links_members and _bind(tenant_id, realm, person, account, at):
                return
            if person.origin == RoleOrigin.DIRECTORY:
                members = UserTenantRole.objects.filter(tenant_id=tenant_id)
                members.filter(user__email=person.email, user__realm=None).delete()
            elif person.is_active:
                return
        _make_its_own(tenant_id, realm, person, account, at)


def _bind(tenant_id: UUID, realm: UUID, person: Person, account: Account, at: datetime) -> bool:
    claim = identities.Claim(
        tenant_id=tenant_id, realm=realm, external_id=account.external_id, username=account.username,
        email=person.email, name=person.name, is_proven=False,
    )  # fmt: skip
    return identities.bind_member(claim=claim, at=at)


def _make_its_own(
    tenant_id: UUID, realm: UUID, person: Person, account: Account, at: datetime
) -> None:
    user = User(
        id=_free_id(person, else_=uuid4()), realm=realm, email=person.email, name=person.name,
        password=passwords.unusable_hash(), created_at=at,
    )  # fmt: skip
    user.save(force_insert=True)
    Identity.objects.create(
        user=user, realm=realm, external_id=account.external_id, username=account.username,
        bound_at=at, seen_at=at,
    )  # fmt: skip
    _give_role(tenant_id, user, person, at)


def _give_role(tenant_id: UUID, user: User, person: Person, at: datetime) -> None:
    given = None
    if person.role is not None:
        given = granting.find_role(tenant_id=tenant_id, name=person.role)
    UserTenantRole.objects.create(
        tenant_id=tenant_id, user=user, is_active=person.is_active, granted_at=at, origin=person.origin,
        role=given.name if given else _DELETED_ROLE, custom_role=given.custom if given else None,
    )  # fmt: skip


def _free_id(person: Person, *, else_: UUID) -> UUID:
    return person.id if selectors.find_user(user_id=person.id) is None else else_
