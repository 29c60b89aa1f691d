"""Who somebody of a directory is here. All in the operator's context.

A directory counts in its realm, and a realm is one tenant's. It recognises those whom it was bound to
before, by the id that it never changes; it may be bound once to somebody who belongs to its tenant and to
nothing else; whoever else it speaks of is a person of its own, whatever address or name it claims.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from shared_apps.accounts import passwords
from shared_apps.accounts.choices import Role, RoleOrigin
from shared_apps.accounts.models import CrossTenantGrant, Identity, User, UserTenantRole
from shared_apps.core import attribution, context

REALM_LOCK: Final = "directory:{}"
"""Held shared by whoever signs in, and alone while many of the directory are taken over (directory_intake.py)."""


@dataclass(frozen=True)
class Claim:
    """What a tenant's directory says of somebody."""

    tenant_id: UUID
    realm: UUID
    external_id: str
    username: str
    email: str
    """Canonical; empty if there is none."""
    name: str
    is_proven: bool = True
    """They have signed in just now, so what follows from it is theirs; else it is whose it was."""


def recognise(*, claim: Claim, role: Role | None, links_members: bool, at: datetime) -> User | None:
    """The person whom a claim is about, with the role that the directory's groups give them.

    None of somebody who was never here and has no role: whoever a large directory proves and nobody
    has let in leaves no trace.
    """
    with context.operator():
        known = _find_unchanged(claim, role)
        if known is not None:
            return known
    with context.operator(), transaction.atomic():
        _wait_for_turn(claim)
        user = _find_bound(claim, at) or (_bind_member(claim, at) if links_members else None)
        if user is None:
            if role is None:
                return None
            user = _make(claim, at)
        with _attributed_to(user, claim):
            apply_role(tenant_id=claim.tenant_id, user_id=user.id, role=role, at=at)
        return user


def bind_member(*, claim: Claim, at: datetime) -> bool:
    """Whether the directory means a member from now on whom this tenant invited by the claimed address,
    and who is nobody anywhere else."""
    with context.operator(), transaction.atomic():
        _wait_for_turn(claim)
        return _bind_member(claim, at) is not None


def apply_role(*, tenant_id: UUID, user_id: UUID, role: Role | None, at: datetime) -> None:
    """Have somebody's role be what the directory's groups give; one that a person granted stays.

    Also the last administrator's goes: who administers is the directory's to say then, and operators
    and break-glass accounts still get in.
    """
    with context.operator(), transaction.atomic():
        members = UserTenantRole.objects.filter(tenant_id=tenant_id, user_id=user_id)
        member = members.select_for_update().first()
        if member is None:
            if role is not None:
                UserTenantRole.objects.create(
                    tenant_id=tenant_id, user_id=user_id, role=role, granted_at=at,
                    origin=RoleOrigin.DIRECTORY,
                )  # fmt: skip
        elif member.origin != RoleOrigin.DIRECTORY or member.role == role:
            return
        elif role is None:
            member.delete()
        else:
            member.role = role
            member.save(update_fields=["role"])


def drop_directory_roles(*, tenant_id: UUID) -> int:
    """Take away every role that a directory's groups gave in a tenant; returns how many."""
    with context.operator():
        given = UserTenantRole.objects.filter(tenant_id=tenant_id, origin=RoleOrigin.DIRECTORY)
        return given.delete()[1].get("accounts.UserTenantRole", 0)


_USER_FIELDS = tuple(field.attname for field in User._meta.concrete_fields)
_BOUND = f"""
    SELECT identity.username, member.role, member.origin, {", ".join(f"person.{f}" for f in _USER_FIELDS)}
    FROM accounts_identity identity
    JOIN accounts_user person ON person.id = identity.user_id
    LEFT JOIN accounts_usertenantrole member
        ON member.user_id = person.id AND member.tenant_id = %s
    WHERE identity.realm = %s AND identity.external_id = %s
"""  # noqa: S608 (made of constants)


def _find_unchanged(claim: Claim, role: Role | None) -> User | None:
    """Whoever was bound before, where there is nothing to write: nearly every sign-in. Without a lock,
    because what somebody writes meanwhile is newer than this claim."""
    with connection.cursor() as cursor:
        cursor.execute(_BOUND, [claim.tenant_id, claim.realm, claim.external_id])
        row = cursor.fetchone()
    if row is None:
        return None
    username, held, origin, *person = row
    user = User.from_db(connection.alias, _USER_FIELDS, person)
    is_own = user.realm == claim.realm
    if username != claim.username or (is_own and _tells_anew(user, claim)):
        return None
    return user if origin == RoleOrigin.GRANTED or held == role else None


def _wait_for_turn(claim: Claim) -> None:
    """Two first sign-ins of one person make one person, and so does one while all are taken over."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0)),"
            " pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [REALM_LOCK.format(claim.realm), f"identity:{claim.realm}:{claim.external_id}"],
        )


def _find_bound(claim: Claim, at: datetime) -> User | None:
    identities = Identity.objects.filter(realm=claim.realm, external_id=claim.external_id)
    identity = identities.select_related("user").first()
    if identity is None:
        return None
    user = identity.user
    with _attributed_to(user, claim):
        identity.username, identity.seen_at = claim.username, at
        identity.save(update_fields=["username", "seen_at"])
        # The name and address of somebody who belongs elsewhere too are not this directory's to change.
        if user.realm == claim.realm:
            _take_over(user, claim)
    return user


def _take_over(user: User, claim: Claim) -> None:
    if _tells_anew(user, claim):
        user.email, user.name = claim.email, claim.name
        user.save(update_fields=["email", "name"])


def _tells_anew(user: User, claim: Claim) -> bool:
    return (user.email, user.name) != (claim.email, claim.name)


def _bind_member(claim: Claim, at: datetime) -> User | None:
    """Bind the directory's person to one whom this tenant invited and who is nobody anywhere else."""
    if not claim.email:
        return None
    here = UserTenantRole.objects.filter(user=OuterRef("pk"), tenant=claim.tenant_id)
    elsewhere = UserTenantRole.objects.filter(user=OuterRef("pk")).exclude(tenant=claim.tenant_id)
    members = User.objects.filter(
        Exists(here),
        ~Exists(elsewhere),
        ~Exists(CrossTenantGrant.objects.filter(user=OuterRef("pk"))),
        ~Exists(Identity.objects.filter(user=OuterRef("pk"), realm=claim.realm)),
        email=claim.email, realm=None, is_active=True,
        is_operator=False, is_managed_by_operator=False,
    )  # fmt: skip
    user = members.select_for_update(of=("self",)).first()
    if user is not None:
        with _attributed_to(user, claim):
            _bind(user, claim, at)
    return user


def _make(claim: Claim, at: datetime) -> User:
    user = User(
        id=uuid.uuid4(), realm=claim.realm, name=claim.name, created_at=at,
        email=claim.email, password=passwords.unusable_hash(),
    )  # fmt: skip
    with _attributed_to(user, claim):
        user.save(force_insert=True)
        _bind(user, claim, at)
    return user


def _bind(user: User, claim: Claim, at: datetime) -> None:
    Identity.objects.create(
        user=user, realm=claim.realm, external_id=claim.external_id, username=claim.username,
        bound_at=at, seen_at=at,
    )  # fmt: skip


@contextmanager
def _attributed_to(user: User, claim: Claim) -> Iterator[None]:
    if not claim.is_proven:
        yield
        return
    with attribution.acting(replace(attribution.current(), user_id=user.id)):
        yield
