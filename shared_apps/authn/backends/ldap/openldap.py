"""OpenLDAP, and other servers that answer like it."""

import re
import uuid
from datetime import datetime
from typing import ClassVar, NoReturn

from shared_apps.authn.backends.base import PasswordInfo
from shared_apps.authn.backends.ldap import filters, ppolicy
from shared_apps.authn.backends.ldap.adapter import Link
from shared_apps.authn.backends.ldap.directory import LdapBackend
from shared_apps.authn.backends.ldap.faults import DirectoryFault, ServerFault
from shared_apps.authn.backends.ldap.messages import Answer, Code, Entry, Scope
from shared_apps.authn.backends.ldap.ppolicy import PolicyError
from shared_apps.authn.backends.ldap.standing import Standing
from shared_apps.authn.errors import (
    PasswordChangeNotSupportedError,
    PolicyViolationError,
)

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_POLICY_ATTRIBUTES = (
    "pwdMaxAge", "pwdExpireWarning", "pwdLockoutDuration", "pwdMinLength", "pwdInHistory",
    "pwdGraceAuthNLimit", "pwdAllowUserChange",
)  # fmt: skip

_VIOLATIONS = {
    PolicyError.INSUFFICIENT_PASSWORD_QUALITY: "It is too easy to guess.",
    PolicyError.PASSWORD_TOO_SHORT: "It is too short.",
    PolicyError.PASSWORD_TOO_YOUNG: "The present password was changed too short a time ago.",
    PolicyError.PASSWORD_IN_HISTORY: "It was used before.",
}


class OpenLdapBackend(LdapBackend):
    name = "openldap"
    defaults = {
        "user_filter": "(objectClass=inetOrgPerson)",
        "username_attribute": "uid",
        "email_attribute": "mail",
        "name_attribute": "cn",
        "group_attribute": "member",
    }
    id_attribute = "entryUUID"
    state_attributes: ClassVar[tuple[str, ...]] = (
        "pwdChangedTime", "pwdAccountLockedTime", "pwdReset", "pwdPolicySubentry", "pwdGraceUseTime",
    )  # fmt: skip
    bind_controls = (ppolicy.ASKED,)

    def standing(self, answer: Answer) -> Standing:
        policy = ppolicy.read(answer)
        if answer.code == Code.SUCCESS:
            if policy.error == PolicyError.CHANGE_AFTER_RESET:
                return Standing.MUST_CHANGE
            return Standing.EXPIRED if policy.grace_left is not None else Standing.PROVEN
        if answer.code == Code.INVALID_CREDENTIALS:
            if policy.error == PolicyError.PASSWORD_EXPIRED:
                return Standing.EXPIRED  # said only when the password was right
            is_locked = policy.error == PolicyError.ACCOUNT_LOCKED
            return Standing.LOCKED if is_locked else Standing.REFUSED
        raise_unless_refusal(answer)
        return Standing.REFUSED

    def canonical_id(self, value: bytes) -> str:
        try:
            return str(uuid.UUID(value.decode()))
        except ValueError:
            raise DirectoryFault("a person's entry has no entryUUID that can be read") from None

    def id_filter(self, external_id: str) -> bytes | None:
        if not _ID.fullmatch(external_id):
            return None
        return filters.equals(self.id_attribute, external_id)

    def is_active(self, entry: Entry) -> bool:
        return entry.text("pwdAccountLockedTime") != ppolicy.PERMANENTLY

    def password_info(self, link: Link, entry: Entry, at: datetime) -> PasswordInfo:
        policy = self._policy_of(link, entry)
        changed_at = ppolicy.read_time(entry.text("pwdChangedTime"))
        expires_at = ppolicy.later(changed_at, ppolicy.read_seconds(policy, "pwdMaxAge"))
        locked_at = entry.text("pwdAccountLockedTime")
        locked_until = ppolicy.later(
            ppolicy.read_time(locked_at), ppolicy.read_seconds(policy, "pwdLockoutDuration")
        )
        expired = expires_at is not None and expires_at <= at
        grace = ppolicy.read_seconds(policy, "pwdGraceAuthNLimit") or 0
        grace_left = max(0, grace - len(entry.texts("pwdGraceUseTime")))
        can_change = policy is None or policy.text("pwdAllowUserChange").upper() != "FALSE"
        return PasswordInfo(
            source=self.name,
            fetched_at=at,
            changed_at=changed_at,
            expires_at=expires_at,
            never_expires=policy is not None and not ppolicy.read_seconds(policy, "pwdMaxAge"),
            expired=expired,
            must_change=entry.text("pwdReset").upper() == "TRUE",
            locked=bool(locked_at) and (locked_until is None or locked_until > at),
            locked_until=locked_until,
            grace_logins=grace_left if expired else None,
            warn_seconds=ppolicy.read_seconds(policy, "pwdExpireWarning"),
            can_change=can_change and not (expired and not grace_left),
            min_length=ppolicy.read_seconds(policy, "pwdMinLength"),
            history=ppolicy.read_seconds(policy, "pwdInHistory"),
        )

    def set_password(self, link: Link, entry: Entry, old: str, new: str) -> Answer:
        return link.change_own_password(old, new, ppolicy.ASKED)

    def refuse_change(self, answer: Answer) -> NoReturn:
        error = ppolicy.read(answer).error
        if error in _VIOLATIONS:
            raise PolicyViolationError(reason=[_VIOLATIONS[PolicyError(error)]])
        if error in (PolicyError.PASSWORD_MOD_NOT_ALLOWED, PolicyError.PASSWORD_EXPIRED):
            raise PasswordChangeNotSupportedError
        if answer.code == Code.CONSTRAINT_VIOLATION:
            raise PolicyViolationError(reason=["The directory's rules do not allow it."])
        if answer.code in (Code.INSUFFICIENT_ACCESS, Code.UNWILLING):
            raise PasswordChangeNotSupportedError
        raise DirectoryFault(f"a password was not changed: {answer}")

    def _policy_of(self, link: Link, entry: Entry) -> Entry | None:
        dn = entry.text("pwdPolicySubentry") or self.options.password_policy_dn
        if not dn:
            return None
        everything = filters.present("objectClass")
        found, answer = link.search(dn, everything, _POLICY_ATTRIBUTES, scope=Scope.BASE)
        if answer.code not in (Code.SUCCESS, Code.NO_SUCH_OBJECT):
            raise DirectoryFault(f"{link.name}: the password policy {dn!r}: {answer}")
        return found[0] if found else None


def raise_unless_refusal(answer: Answer) -> None:
    """Raises DirectoryFault: this answer to a bind is not about the person's password."""
    if answer.code in (Code.BUSY, Code.UNAVAILABLE):
        raise ServerFault(str(answer))
    if answer.code in (
        Code.STRONGER_AUTH_REQUIRED, Code.REFERRAL, Code.CONFIDENTIALITY_REQUIRED, Code.UNWILLING,
    ):  # fmt: skip
        raise DirectoryFault(f"the directory does not let people bind so: {answer}")
