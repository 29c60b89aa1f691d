"""Who worked in the tenant of an archive, read whole before anything is made of it."""

from collections.abc import Collection, Set
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from shared_apps.accounts.choices import Role
from shared_apps.accounts.emails import validated_email
from shared_apps.accounts.errors import EmailError
from shared_apps.onboarding.archive import values
from shared_apps.onboarding.archive.loading import source_of
from shared_apps.onboarding.archive.manifest import PEOPLE
from shared_apps.onboarding.archive.verifying import opened
from shared_apps.onboarding.errors import ArchiveInvalidError

_LARGEST = 64 << 20  # bytes; a line is some two hundred
_LONGEST_NAME = 200
_LONGEST_EMAIL = 254


@dataclass(frozen=True, slots=True)
class Person:
    id: UUID
    email: str
    name: str
    role: str | None
    """None: it was deleted from under them."""
    is_active: bool


def read_people(path: Path, *, roles: Collection[str]) -> list[Person]:
    """`roles`: names of the tenant's own.

    Raises:
        ArchiveInvalidError: one of them cannot be, or is there twice.
    """
    try:
        people = [_person(values.parse(line), {*Role.values, *roles}) for line in _lines(path)]
    except (ValueError, EmailError):
        raise ArchiveInvalidError("The archive's people cannot be read.") from None
    if len({person.email for person in people}) != len(people):
        raise ArchiveInvalidError("The archive holds one person twice.")
    return people


def _lines(path: Path) -> list[bytes]:
    with opened(path) as (tar, _):
        for info in tar:
            if info.name == PEOPLE:
                if info.size > _LARGEST:
                    raise ArchiveInvalidError("The archive holds too many people.")
                return source_of(tar, info).read().splitlines()
    raise ArchiveInvalidError("The archive changed while it was read.")


def _person(raw: object, roles: Set[str]) -> Person:
    person = values.mapping(raw, ("id", "email", "name", "role", "is_active", "granted_at"))
    values.moment(person["granted_at"])
    email, name = validated_email(values.text(person["email"])), values.text(person["name"])
    if len(name) > _LONGEST_NAME or len(email) > _LONGEST_EMAIL:
        raise ValueError("too long")
    role = None if person["role"] is None else values.text(person["role"])
    if role is not None and role not in roles:
        raise ValueError("no such role")
    is_active = values.flag(person["is_active"])
    return Person(values.identifier(person["id"]), email, name, role, is_active)
