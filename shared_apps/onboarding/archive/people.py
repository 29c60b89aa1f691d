"""Who worked in the tenant of an archive, read whole before anything is made of it."""

from collections.abc import Collection, Hashable, Sequence, Set
from pathlib import Path

from shared_apps.accounts.choices import Role, RoleOrigin
from shared_apps.accounts.emails import validated_email
from shared_apps.accounts.errors import EmailError
from shared_apps.accounts.returning import Account, Person
from shared_apps.authn.recognition import LONGEST_EXTERNAL_ID, LONGEST_USERNAME
from shared_apps.onboarding.archive import values
from shared_apps.onboarding.archive.loading import source_of
from shared_apps.onboarding.archive.manifest import PEOPLE
from shared_apps.onboarding.archive.verifying import opened
from shared_apps.onboarding.errors import ArchiveInvalidError

_LARGEST = 64 << 20  # bytes; a line is some two hundred
_LONGEST_NAME = 200
_LONGEST_EMAIL = 254
_KEYS = ("id", "email", "name", "role", "is_active", "granted_at", "origin", "account")


def read_people(path: Path, *, roles: Collection[str]) -> list[Person]:
    """`roles`: names of the tenant's own.

    Raises:
        ArchiveInvalidError: one of them cannot be, or is there twice.
    """
    try:
        people = [_person(values.parse(line), {*Role.values, *roles}) for line in _lines(path)]
    except (ValueError, EmailError):
        raise ArchiveInvalidError("The archive's people cannot be read.") from None
    by_address = [p.email for p in people if p.account is None or not p.account.is_all]
    by_account = [p.account.external_id for p in people if p.account is not None]
    if _has_twice(by_address) or _has_twice(by_account) or _has_twice([p.id for p in people]):
        raise ArchiveInvalidError("The archive holds one person twice.")
    return people


def _has_twice(found: Sequence[Hashable]) -> bool:
    return len(set(found)) != len(found)


def _lines(path: Path) -> list[bytes]:
    with opened(path) as (tar, _):
        for info in tar:
            if info.name == PEOPLE:
                if info.size > _LARGEST:
                    raise ArchiveInvalidError("The archive holds too many people.")
                return source_of(tar, info).read().splitlines()
    raise ArchiveInvalidError("The archive changed while it was read.")


def _person(raw: object, roles: Set[str]) -> Person:
    # Archives of before people of directories were in them do not say whose they are.
    told = {"origin": RoleOrigin.GRANTED, "account": None, **values.any_mapping(raw)}
    person = values.mapping(told, _KEYS)
    values.moment(person["granted_at"])
    account = None if person["account"] is None else _account(person["account"])
    email, name = values.text(person["email"]), values.text(person["name"])
    if email or account is None or not account.is_all:
        email = validated_email(email)
    if len(name) > _LONGEST_NAME or len(email) > _LONGEST_EMAIL:
        raise ValueError("too long")
    role = None if person["role"] is None else values.text(person["role"])
    if role is not None and role not in roles:
        raise ValueError("no such role")
    origin = RoleOrigin(values.text(person["origin"]))
    if origin == RoleOrigin.DIRECTORY and account is None:
        raise ValueError("no directory's")
    is_active = values.flag(person["is_active"])
    return Person(values.identifier(person["id"]), email, name, role, is_active, origin, account)


def _account(raw: object) -> Account:
    account = values.mapping(raw, ("external_id", "username", "is_all"))
    external_id, username = values.text(account["external_id"]), values.text(account["username"])
    if not 1 <= len(external_id) <= LONGEST_EXTERNAL_ID or len(username) > LONGEST_USERNAME:
        raise ValueError("not of this length")
    return Account(external_id, username, values.flag(account["is_all"]))
