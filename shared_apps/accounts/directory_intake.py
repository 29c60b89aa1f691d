"""Many people of a directory at once, as `identities` does it for one who signs in. In the operator's context.

A few statements for each portion: one by one ten thousand people take minutes, in one transaction.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from shared_apps.accounts import passwords
from shared_apps.accounts.choices import Role, RoleOrigin
from shared_apps.accounts.identities import REALM_LOCK, Claim
from shared_apps.accounts.models import Identity, User, UserTenantRole
from shared_apps.core import context


def take_turn(*, realm: UUID) -> None:
    """Whoever of this directory is new, or has changed in it, waits with signing in until the transaction ends."""
    with context.operator(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [REALM_LOCK.format(realm)]
        )


def find_linkable(*, tenant_id: UUID, emails: Iterable[str]) -> set[str]:
    """Those of these addresses by which somebody of the tenant might be meant: `identities` decides it."""
    with context.operator():
        members = UserTenantRole.objects.filter(
            tenant_id=tenant_id, user__realm=None, user__email__in=[one for one in emails if one]
        )
        return set(members.values_list("user__email", flat=True))


def make_people(
    claims: Sequence[tuple[Claim, Role]], *, tenant_id: UUID, at: datetime
) -> list[UUID]:
    """In the order of the claims, of whom none is bound or can be linked. After `take_turn`."""
    people = [
        User(
            id=uuid.uuid4(), realm=claim.realm, name=claim.name, created_at=at, email=claim.email,
            password=passwords.unusable_hash(),
        )
        for claim, _ in claims
    ]  # fmt: skip
    with context.operator(), transaction.atomic():
        User.objects.bulk_create(people)
        Identity.objects.bulk_create(
            Identity(
                user=person, realm=claim.realm, external_id=claim.external_id,
                username=claim.username, bound_at=at, seen_at=at,
            )
            for person, (claim, _) in zip(people, claims, strict=True)
        )  # fmt: skip
        UserTenantRole.objects.bulk_create(
            UserTenantRole(
                tenant_id=tenant_id, user=person, role=role, granted_at=at,
                origin=RoleOrigin.DIRECTORY,
            )
            for person, (_, role) in zip(people, claims, strict=True)
        )  # fmt: skip
    return [person.id for person in people]


def change_people(
    changes: Mapping[UUID, Mapping[str, Any]], *, tenant_id: UUID, realm: UUID, at: datetime
) -> None:
    """Person → fields and how they shall be. `role` empty takes the role away that groups gave."""
    with context.operator(), transaction.atomic():
        _change_users(_with(changes, ("name", "email")), realm)
        _change_identities(_with(changes, ("username",)), realm)
        _change_members(_with(changes, ("role", "is_active")), tenant_id, at)


def _with(
    changes: Mapping[UUID, Mapping[str, Any]], names: Sequence[str]
) -> dict[UUID, dict[str, Any]]:
    chosen = {
        user_id: {name: values[name] for name in names if name in values}
        for user_id, values in changes.items()
    }
    return {user_id: values for user_id, values in chosen.items() if values}


def _change_users(changes: Mapping[UUID, Mapping[str, Any]], realm: UUID) -> None:
    # Of this directory's own alone: of nobody else are these its to say.
    _update(
        "UPDATE accounts_user SET name = coalesce(v.name, accounts_user.name),"
        " email = coalesce(v.email, accounts_user.email)"
        " FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS v(id, name, email)"
        " WHERE accounts_user.id = v.id AND accounts_user.realm = %s",
        list(changes),
        [values.get("name") for values in changes.values()],
        [values.get("email") for values in changes.values()],
        realm=realm,
    )


def _change_identities(changes: Mapping[UUID, Mapping[str, Any]], realm: UUID) -> None:
    _update(
        "UPDATE accounts_identity SET username = v.username"
        " FROM unnest(%s::uuid[], %s::text[]) AS v(user_id, username)"
        " WHERE accounts_identity.user_id = v.user_id AND accounts_identity.realm = %s",
        list(changes),
        [values["username"] for values in changes.values()],
        realm=realm,
    )


def _update(statement: str, ids: list[UUID], *columns: list[str | None], realm: UUID) -> None:
    """In SQL of our own: `bulk_update` casts, and a cast cuts off what is too long instead of refusing it."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [ids, *columns, realm])
        assert cursor.rowcount == len(ids)  # they are locked, and were of this directory then


def _change_members(
    changes: Mapping[UUID, Mapping[str, Any]], tenant_id: UUID, at: datetime
) -> None:
    here = UserTenantRole.objects.filter(tenant_id=tenant_id)
    members = {member.user_id: member for member in here.filter(user__in=list(changes))}
    made, dropped = [], []
    # There are few ways to be: one statement for each, not a case for each person.
    changed: dict[tuple[tuple[str, Any], ...], list[Any]] = {}
    for user_id, values in changes.items():
        member = members.get(user_id)
        if values.get("role") == "":
            if member is not None and member.origin == RoleOrigin.DIRECTORY:
                dropped.append(member.pk)
        elif member is None:
            made.append(
                UserTenantRole(
                    tenant_id=tenant_id, user_id=user_id, granted_at=at,
                    origin=RoleOrigin.DIRECTORY, **values,
                )
            )  # fmt: skip
        else:
            changed.setdefault(tuple(values.items()), []).append(member.pk)
    here.filter(pk__in=dropped).delete()
    UserTenantRole.objects.bulk_create(made)
    for told, ids in changed.items():
        here.filter(pk__in=ids).update(**dict(told))
