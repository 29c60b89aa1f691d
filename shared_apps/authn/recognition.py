"""From what a directory says of somebody who has proven who they are to a person of ours."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared_apps.accounts import identities
from shared_apps.accounts.choices import Role
from shared_apps.accounts.emails import validated_email
from shared_apps.accounts.errors import EmailError
from shared_apps.authn.backends.base import Configuration
from shared_apps.authn.backends.directory import DirectoryPerson, canonical_group
from shared_apps.authn.errors import (
    AccountRestrictedError,
    BackendUnavailableError,
    NoMembershipError,
)
from shared_apps.core.text import has_unusable_characters

if TYPE_CHECKING:
    from shared_apps.accounts.models import User

LONGEST_EXTERNAL_ID = 200
_LONGEST_EMAIL = 254
_LONGEST_NAME = 200
LONGEST_USERNAME = 256
# Entra's addresses are what its administrator typed; those of a company's own directory lead to its people.
_LINKED_BY_DEFAULT = frozenset({"openldap", "oracle_oid", "active_directory"})
_RANKED = (Role.ADMIN, Role.EDITOR, Role.VIEWER)


def recognise(configuration: Configuration, person: DirectoryPerson) -> "User":
    """The person whom a tenant's directory has just proven; their role is what their groups give now.

    Raises:
        NoMembershipError: they were never here, and nothing gives them a role; nobody is made.
        AccountRestrictedError: we have disabled them.
        BackendUnavailableError: the directory gave no usable id.
    """
    user = identities.recognise(
        claim=claim_of(configuration, person),
        role=role_of(configuration, person.groups),
        links_members=links_members(configuration),
        at=datetime.now(UTC),
    )
    if user is None:
        raise NoMembershipError
    if not user.is_active:
        raise AccountRestrictedError
    return user


def role_of(configuration: Configuration, groups: Iterable[str]) -> Role | None:
    """The highest role that the groups give; without any the one that everybody of the directory has."""
    own = {canonical_group(group) for group in groups}
    mapped: Mapping[str, Sequence[str]] = configuration.options.get("role_groups", {})
    for role in _RANKED:
        if not own.isdisjoint(map(canonical_group, mapped.get(role, ()))):
            return role
    default: Any = configuration.options.get("default_role")
    return Role(default) if default else None


def links_members(configuration: Configuration) -> bool:
    return would_link_members(configuration.kind, configuration.options)


def would_link_members(kind: str, options: Mapping[str, Any]) -> bool:
    return bool(options.get("link_members", kind in _LINKED_BY_DEFAULT))


def claim_of(configuration: Configuration, person: DirectoryPerson) -> identities.Claim:
    """Raises BackendUnavailableError: the directory gave no usable id."""
    if not 1 <= len(person.external_id) <= LONGEST_EXTERNAL_ID:
        raise BackendUnavailableError
    return identities.Claim(
        tenant_id=configuration.tenant_id,
        realm=configuration.realm,
        external_id=person.external_id,
        username=_text(person.username, LONGEST_USERNAME),
        # Whoever has an address was invited by that one, not by what their user name looks like.
        email=_email(person.email) or _email(person.username),
        name=_text(person.name, _LONGEST_NAME),
    )


def _email(claimed: str) -> str:
    if len(claimed) > _LONGEST_EMAIL or has_unusable_characters(claimed):
        return ""
    try:
        return validated_email(claimed)
    except EmailError:
        return ""


def _text(claimed: str, longest: int) -> str:
    """For people to read: a directory can write whatever it likes."""
    return "" if has_unusable_characters(claimed) else claimed[:longest]
