"""From the attributes of an account to what a person may know of their password."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared_apps.authn.backends.ad.values import length_of_time, moment
from shared_apps.authn.backends.base import PasswordInfo

Attributes = Mapping[str, Sequence[bytes]]  # by name in lower case

# `userAccountControl` has a bit for a locked account too, which no controller has set since Windows 2000: the computed one does.
ATTRIBUTES = (
    "pwdLastSet",
    "lockoutTime",
    "msDS-UserPasswordExpiryTimeComputed",
    "msDS-User-Account-Control-Computed",
    "msDS-ResultantPSO",
)
POLICY_ATTRIBUTES = ("minPwdLength", "pwdHistoryLength", "minPwdAge", "lockoutDuration")
_FINE_GRAINED = {
    "minPwdLength": "msDS-MinimumPasswordLength",
    "pwdHistoryLength": "msDS-PasswordHistoryLength",
    "minPwdAge": "msDS-MinimumPasswordAge",
    "lockoutDuration": "msDS-LockoutDuration",
}
FINE_GRAINED_ATTRIBUTES = tuple(_FINE_GRAINED.values())
_LOCKED = 0x10
_PASSWORD_EXPIRED = 0x800000
_MUST_CHANGE = 0


@dataclass(frozen=True)
class Policy:
    """Unknown where an ordinary account may not read it, as is usual with fine-grained ones."""

    min_length: int | None = None
    history: int | None = None
    min_age: timedelta | None = None
    lockout: timedelta | None = None

    @classmethod
    def of_domain(cls, attributes: Attributes) -> "Policy":
        return cls._read(attributes, {name: name for name in POLICY_ATTRIBUTES})

    @classmethod
    def fine_grained(cls, attributes: Attributes) -> "Policy":
        return cls._read(attributes, _FINE_GRAINED)

    @classmethod
    def _read(cls, attributes: Attributes, names: Mapping[str, str]) -> "Policy":
        return cls(
            min_length=number(attributes, names["minPwdLength"]),
            history=number(attributes, names["pwdHistoryLength"]),
            min_age=length_of_time(number(attributes, names["minPwdAge"]) or 0),
            lockout=length_of_time(number(attributes, names["lockoutDuration"]) or 0),
        )


def password_info(
    attributes: Attributes, *, policy: Policy, source: str, at: datetime
) -> PasswordInfo:
    computed = number(attributes, "msDS-User-Account-Control-Computed") or 0
    expiry = number(attributes, "msDS-UserPasswordExpiryTimeComputed")
    must_change = expiry == _MUST_CHANGE
    expires_at = moment(expiry) if expiry else None
    changed_at = moment(number(attributes, "pwdLastSet") or 0)
    locked = bool(computed & _LOCKED)
    locked_at = moment(number(attributes, "lockoutTime") or 0)
    return PasswordInfo(
        source=source,
        fetched_at=at,
        changed_at=changed_at,
        expires_at=expires_at,
        never_expires=expiry is not None and not must_change and expires_at is None,
        # A password that must be changed carries the same bit.
        expired=not must_change
        and (bool(computed & _PASSWORD_EXPIRED) or (expires_at is not None and expires_at <= at)),
        must_change=must_change,
        locked=locked,
        locked_until=locked_at + policy.lockout
        if locked and locked_at and policy.lockout
        else None,
        grace_logins=None,
        warn_seconds=None,
        can_change=not locked
        and (
            must_change or not (changed_at and policy.min_age and changed_at + policy.min_age > at)
        ),
        min_length=policy.min_length,
        history=policy.history,
    )


def number(attributes: Attributes, name: str) -> int | None:
    values = attributes.get(name.lower())
    try:
        return int(values[0]) if values else None
    except ValueError:
        return None
