"""Oracle Internet Directory: what is wrong with a password is a number in the text of the answer."""

import re
from datetime import datetime
from typing import ClassVar, NoReturn

from shared_apps.authn.backends.base import PasswordInfo
from shared_apps.authn.backends.ldap import filters, ppolicy
from shared_apps.authn.backends.ldap.adapter import Link
from shared_apps.authn.backends.ldap.directory import LdapBackend
from shared_apps.authn.backends.ldap.faults import DirectoryFault
from shared_apps.authn.backends.ldap.messages import Answer, Change, Code, Entry, Scope
from shared_apps.authn.backends.ldap.openldap import raise_unless_refusal
from shared_apps.authn.backends.ldap.standing import Standing
from shared_apps.authn.errors import (
    AccountLockedError,
    PasswordChangeNotSupportedError,
    PolicyViolationError,
)

_CODE = re.compile(r":(\d{4}):")
_ID = re.compile(r"[0-9A-Fa-f]{32}")

_EXPIRED, _LOCKED, _GRACE, _DISABLED = 9000, 9001, 9008, 9050
_STANDINGS = {
    _EXPIRED: Standing.EXPIRED,
    _GRACE: Standing.EXPIRED,
    _LOCKED: Standing.LOCKED,
    _DISABLED: Standing.RESTRICTED,
}
_TOO_SHORT, _EMPTY, _IN_HISTORY, _ILLEGAL, _TOO_YOUNG = 9003, 9005, 9006, 9007, 9020
_VIOLATIONS = {
    _TOO_SHORT: "It is too short.",
    9004: "It needs more digits.",
    _EMPTY: "It is empty.",
    _IN_HISTORY: "It was used before.",
    _ILLEGAL: "It is a value that is not allowed.",
    9012: "It needs more letters.",
    9013: "It needs more special characters.",
    9014: "It needs more upper-case letters.",
    9015: "It needs more lower-case letters.",
    9016: "It repeats a character too often.",
    _TOO_YOUNG: "The present password was changed too short a time ago.",
}
_POLICY_ATTRIBUTES = (
    "pwdmaxage", "pwdexpirewarning", "pwdlockoutduration", "pwdminlength", "pwdinhistory", "pwdgraceloginlimit",
)  # fmt: skip


class OracleOidBackend(LdapBackend):
    name = "oracle_oid"
    defaults = {
        "user_filter": "(objectClass=orclUserV2)",
        "username_attribute": "uid",
        "email_attribute": "mail",
        "name_attribute": "cn",
        "group_attribute": "uniqueMember",
    }
    id_attribute = "orclguid"
    state_attributes: ClassVar[tuple[str, ...]] = (
        "pwdchangedtime", "pwdaccountlockedtime", "pwdreset", "pwdgraceusetime",
        "orclisenabled", "orclactivestartdate", "orclactiveenddate",
    )  # fmt: skip

    def standing(self, answer: Answer) -> Standing:
        code = _code(answer)
        if answer.code == Code.SUCCESS:
            return Standing.EXPIRED if code == _GRACE else Standing.PROVEN
        if code in _STANDINGS:
            return _STANDINGS[code]
        if answer.code != Code.INVALID_CREDENTIALS:
            raise_unless_refusal(answer)
        return Standing.REFUSED

    def canonical_id(self, value: bytes) -> str:
        text = value.decode(errors="replace")
        if not _ID.fullmatch(text):
            raise DirectoryFault("a person's entry has no orclguid that can be read")
        return text.lower()

    def id_filter(self, external_id: str) -> bytes | None:
        if not _ID.fullmatch(external_id):
            return None
        # The directory shows them in upper case; whether it minds, not every version says.
        return filters.any_of(
            filters.equals(self.id_attribute, external_id.upper()),
            filters.equals(self.id_attribute, external_id),
        )

    def is_active(self, entry: Entry) -> bool:
        return entry.text("orclisenabled").upper() != "DISABLED"

    def password_info(self, link: Link, entry: Entry, at: datetime) -> PasswordInfo:
        policy = self._policy(link)
        changed_at = ppolicy.read_time(entry.text("pwdchangedtime"))
        expires_at = ppolicy.later(changed_at, ppolicy.read_seconds(policy, "pwdmaxage"))
        locked_at = ppolicy.read_time(entry.text("pwdaccountlockedtime"))
        lockout = ppolicy.read_seconds(policy, "pwdlockoutduration")
        locked_until = ppolicy.later(locked_at, lockout)
        expired = expires_at is not None and expires_at <= at
        grace = ppolicy.read_seconds(policy, "pwdgraceloginlimit") or 0
        grace_left = max(0, grace - len(entry.texts("pwdgraceusetime")))
        return PasswordInfo(
            source=self.name,
            fetched_at=at,
            changed_at=changed_at,
            expires_at=expires_at,
            never_expires=policy is not None and not ppolicy.read_seconds(policy, "pwdmaxage"),
            expired=expired,
            must_change=entry.text("pwdreset") in ("1", "TRUE", "true"),
            locked=locked_at is not None and (locked_until is None or locked_until > at),
            locked_until=locked_until,
            grace_logins=grace_left if expired else None,
            warn_seconds=ppolicy.read_seconds(policy, "pwdexpirewarning"),
            can_change=not (expired and not grace_left),
            min_length=ppolicy.read_seconds(policy, "pwdminlength"),
            history=ppolicy.read_seconds(policy, "pwdinhistory"),
        )

    def set_password(self, link: Link, entry: Entry, old: str, new: str) -> Answer:
        changes = (
            (Change.DELETE, "userPassword", old.encode()),
            (Change.ADD, "userPassword", new.encode()),
        )
        return link.modify(entry.dn, changes)

    def refuse_change(self, answer: Answer) -> NoReturn:
        code = _code(answer)
        if code in _VIOLATIONS:
            raise PolicyViolationError(reason=[_VIOLATIONS[code]])
        if code == _LOCKED:
            raise AccountLockedError
        if code == _EXPIRED or answer.code in (Code.INSUFFICIENT_ACCESS, Code.UNWILLING):
            raise PasswordChangeNotSupportedError
        if answer.code == Code.CONSTRAINT_VIOLATION:
            raise PolicyViolationError(reason=["The directory's rules do not allow it."])
        raise DirectoryFault(f"a password was not changed: {answer}")

    def _policy(self, link: Link) -> Entry | None:
        dn = self.options.password_policy_dn
        if not dn:
            return None
        everything = filters.present("objectClass")
        found, answer = link.search(dn, everything, _POLICY_ATTRIBUTES, scope=Scope.BASE)
        if answer.code not in (Code.SUCCESS, Code.NO_SUCH_OBJECT):
            raise DirectoryFault(f"{link.name}: the password policy {dn!r}: {answer}")
        return found[0] if found else None


def _code(answer: Answer) -> int | None:
    found = _CODE.search(answer.diagnostic)
    return int(found[1]) if found else None
