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
# Ours to put right, not the person's.
_CONFIGURATION = {
    7000215: "client_secret is not right",
    7000222: "client_secret has expired",
    700016: "client_id is not known in this directory",
    90002: "directory_id is not known",
}
_OF_CLIENTS = frozenset({"invalid_client", "unauthorized_client"})


def raise_unless_unproven(status: int, body: Mapping[str, Any]) -> None:
    """Return if the password was not proven, for whatever reason.

    Raises:
        PasswordExpiredError, AccountRestrictedError, InteractionRequiredError: it was, and yet.
        BackendUnavailableError: Entra cannot or will not tell.
    """
    codes = _codes(body)
    is_ours = codes & _CONFIGURATION.keys() or body.get("error") in _OF_CLIENTS
    if status >= 500 or status == 429 or codes & _THROTTLED or is_ours:
        raise BackendUnavailableError(f"Entra: {described(status, body)}")
    if codes & _NOT_PROVEN:
        return
    if codes & _EXPIRED:
        raise PasswordExpiredError
    if codes & _DISABLED:
        raise AccountRestrictedError
    if codes & _INTERACTION or body.get("error") == "interaction_required":
        raise InteractionRequiredError(authorize_url=START_PATH)
    logger.warning("Entra refused a password for a reason that is not known: %s", sorted(codes))


def described(status: int, body: Mapping[str, Any]) -> str:
    """For operators; nothing that is text of the answer but for the names of RFC 6749."""
    codes = _codes(body)
    known = [text for code, text in _CONFIGURATION.items() if code in codes]
    if not known and body.get("error") in _OF_CLIENTS:
        known = [f"{body['error']}: the secret or certificate is not accepted"]
    return ", ".join([str(status), *known, *map(str, sorted(codes))])


def _codes(body: Mapping[str, Any]) -> set[int]:
    codes = body.get("error_codes")
    return {code for code in codes if isinstance(code, int)} if isinstance(codes, list) else set()
