"""What Entra's refusals of a password mean. Microsoft may change the numbers, so one that is not known proves nothing."""

import logging
from collections.abc import Mapping
from typing import Any

from shared_apps.authn.backends.single_sign_on import START_PATH
from shared_apps.authn.errors import (
    AccountRestrictedError,
    BackendUnavailableError,
    InteractionRequiredError,
    PasswordExpiredError,
)

logger = logging.getLogger(__name__)

# Wrong password, nobody of that name, no password here; locked, which is told to nobody.
_NOT_PROVEN = frozenset({50126, 50034, 50056, 50053})
_EXPIRED = frozenset({50055})
_DISABLED = frozenset({50057})
# A second factor, conditional access, terms of use: what only the page can ask for.
_INTERACTION = frozenset({50076, 50079, 50158, 53003})
_THROTTLED = frozenset({50196})
# A wrong secret, a client or directory that is not known: ours to put right, not the person's.
_CONFIGURATION = frozenset({7000215, 7000222, 700016, 90002})


def raise_unless_unproven(status: int, body: Mapping[str, Any]) -> None:
    """Return if the password was not proven, for whatever reason.

    Raises:
        PasswordExpiredError, AccountRestrictedError, InteractionRequiredError: it was, and yet.
        BackendUnavailableError: Entra cannot or will not tell.
    """
    codes = _codes(body)
    if status >= 500 or status == 429 or codes & (_THROTTLED | _CONFIGURATION):
        raise BackendUnavailableError from ConnectionError(
            f"Entra answered {status} {sorted(codes)}"
        )
    if codes & _NOT_PROVEN:
        return
    if codes & _EXPIRED:
        raise PasswordExpiredError
    if codes & _DISABLED:
        raise AccountRestrictedError
    if codes & _INTERACTION or body.get("error") == "interaction_required":
        raise InteractionRequiredError(authorize_url=START_PATH)
    logger.warning("Entra refused a password for a reason that is not known: %s", sorted(codes))


def _codes(body: Mapping[str, Any]) -> set[int]:
    codes = body.get("error_codes")
    return {code for code in codes if isinstance(code, int)} if isinstance(codes, list) else set()
