"""What of a tenant's options says who its people are, with the names of one kind of directory for the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared_apps.authn.backends.ldap import filters
from shared_apps.authn.backends.ldap.faults import DirectoryFault


@dataclass(frozen=True)
class Options:
    base_dn: str
    bind_dn: str
    """Empty: searches are made by nobody."""
    user_filter: bytes
    username_attribute: str
    email_attribute: str
    name_attribute: str
    group_base_dn: str
    group_attribute: str
    password_policy_dn: str
    """The policy of people whose entry names none."""

    @classmethod
    def of(cls, given: Mapping[str, Any], defaults: Mapping[str, str]) -> "Options":
        """Raises DirectoryFault: the filter is none."""
        told = {**defaults, **given}
        try:
            user_filter = filters.parse(told["user_filter"])
        except filters.FilterError as error:
            raise DirectoryFault(f"user_filter: {error}") from None
        return cls(
            base_dn=told["base_dn"],
            bind_dn=told.get("bind_dn", ""),
            user_filter=user_filter,
            username_attribute=told["username_attribute"],
            email_attribute=told["email_attribute"],
            name_attribute=told["name_attribute"],
            group_base_dn=told.get("group_base_dn") or told["base_dn"],
            group_attribute=told["group_attribute"],
            password_policy_dn=told.get("password_policy_dn", ""),
        )
