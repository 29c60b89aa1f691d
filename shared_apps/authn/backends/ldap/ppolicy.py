"""Password policy as OpenLDAP says it (draft-behera-ldap-password-policy): the answer to a bind, and what is in entries."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from shared_apps.authn.backends.ldap import ber
from shared_apps.authn.backends.ldap.faults import ServerFault
from shared_apps.authn.backends.ldap.messages import Answer, Control, Entry

OID = "1.3.6.1.4.1.42.2.27.8.5.1"
ASKED = Control(OID)
PERMANENTLY = "000001010000Z"
"""As the time at which an account was locked: until somebody unlocks it."""

_WARNING, _ERROR = 0xA0, 0x81
_TIME_LEFT, _GRACE_LEFT = 0x80, 0x81


class PolicyError(IntEnum):
    PASSWORD_EXPIRED = 0
    ACCOUNT_LOCKED = 1
    CHANGE_AFTER_RESET = 2
    PASSWORD_MOD_NOT_ALLOWED = 3
    MUST_SUPPLY_OLD_PASSWORD = 4
    INSUFFICIENT_PASSWORD_QUALITY = 5
    PASSWORD_TOO_SHORT = 6
    PASSWORD_TOO_YOUNG = 7
    PASSWORD_IN_HISTORY = 8


@dataclass(frozen=True)
class PolicyAnswer:
    seconds_left: int | None = None
    grace_left: int | None = None
    error: int | None = None
    """A PolicyError, or one that later drafts have added."""


def read(answer: Answer) -> PolicyAnswer:
    """Empty if the server has no policy for this person. Raises ServerFault: it makes no sense."""
    value = answer.controls.get(OID)
    if not value:
        return PolicyAnswer()
    seconds_left = grace_left = error = None
    try:
        for tag, inner in ber.elements(ber.only(value, ber.SEQUENCE)):
            if tag == _ERROR:
                error = ber.integer(inner)
            elif tag == _WARNING:
                for kind, number in ber.elements(inner):
                    if kind == _TIME_LEFT:
                        seconds_left = ber.integer(number)
                    elif kind == _GRACE_LEFT:
                        grace_left = ber.integer(number)
    except ber.MalformedError as malformed:
        raise ServerFault(f"a password policy's answer makes no sense: {malformed}") from malformed
    return PolicyAnswer(seconds_left, grace_left, error)


def read_time(text: str) -> datetime | None:
    """LDAP's generalized time, `20261122021500Z`, also with a fraction; None for anything else."""
    if not text.endswith("Z"):
        return None
    try:
        return datetime.strptime(text[:-1].split(".")[0], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def read_seconds(entry: Entry | None, name: str) -> int | None:
    """A number of the policy; None where it says none, or 0, which stands for no limit."""
    text = entry.text(name) if entry else ""
    return int(text) or None if text.isascii() and text.isdigit() and len(text) < 12 else None


def later(moment: datetime | None, seconds: int | None) -> datetime | None:
    """None also for a time that no calendar has."""
    if moment is None or seconds is None:
        return None
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return None
