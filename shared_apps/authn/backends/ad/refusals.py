"""What a domain controller means by a bind or a change that it refuses.

The result code says no more than "invalid credentials"; the reason is a number in the diagnostic text, a Win32 error in
hexadecimal. All but the first three of a bind come only with the right password.
"""

import logging
import re

from shared_apps.authn.backends.ldap.standing import Standing
from shared_apps.authn.errors import (
    AccountLockedError,
    PolicyViolationError,
    WrongOldPasswordError,
)
from shared_apps.core.errors import AppError

_logger = logging.getLogger(__name__)

_IN_BIND = re.compile(r"\bdata ([0-9a-f]{1,8})\b", re.IGNORECASE)
_IN_CHANGE = re.compile(r"^\s*([0-9a-f]{8})\b", re.IGNORECASE)

_BIND = {
    0x525: Standing.REFUSED,  # no such user
    0x52E: Standing.REFUSED,  # wrong password
    0x775: Standing.LOCKED,
    0x530: Standing.RESTRICTED,  # not at this hour
    0x531: Standing.RESTRICTED,  # not from this workstation
    0x532: Standing.EXPIRED,
    0x533: Standing.RESTRICTED,  # disabled
    0x701: Standing.RESTRICTED,  # the account has expired
    0x773: Standing.MUST_CHANGE,
}


def of_bind(diagnostic: str) -> Standing:
    """What is not known proves nothing."""
    number = _number(_IN_BIND, diagnostic)
    if number not in _BIND:
        _logger.warning(
            "a domain controller refused a bind for no known reason", extra={"reason": number}
        )
        return Standing.REFUSED
    return _BIND[number]


def of_change(diagnostic: str) -> AppError | None:
    """Why a password was not changed; None when the text does not say."""
    match _number(_IN_CHANGE, diagnostic):
        case 0x56:  # ERROR_INVALID_PASSWORD
            return WrongOldPasswordError()
        case 0x52D:  # ERROR_PASSWORD_RESTRICTION; real controllers say no more than that
            return PolicyViolationError(reason=_policy(diagnostic))
        case 0x775:  # ERROR_ACCOUNT_LOCKED_OUT
            return AccountLockedError()
    return None


def _number(pattern: re.Pattern[str], diagnostic: str) -> int | None:
    found = pattern.search(diagnostic)
    return int(found[1], 16) if found else None


def _policy(diagnostic: str) -> str:
    if "too short" in diagnostic:
        return "too short"
    if "already used" in diagnostic:
        return "used before"
    return "the domain's rules on length, history, age or complexity"
