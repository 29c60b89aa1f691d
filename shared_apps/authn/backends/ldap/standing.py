"""What a directory says of somebody who tries to sign in."""

from enum import Enum

from shared_apps.authn.errors import PasswordChangeRequiredError, PasswordExpiredError


class Standing(Enum):
    """What a bind says of whoever's credentials they were."""

    PROVEN = "proven"
    REFUSED = "refused"
    LOCKED = "locked"
    EXPIRED = "expired"
    """Yet proven, as are the two that follow; it may be changed over the same connection, if at all."""
    MUST_CHANGE = "must change"
    RESTRICTED = "restricted"


# Proven, and yet nobody gets in before the password is another one.
DUE = {
    Standing.EXPIRED: PasswordExpiredError,
    Standing.MUST_CHANGE: PasswordChangeRequiredError,
}
