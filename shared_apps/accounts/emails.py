"""The canonical form of an e-mail address. Pure functions."""

import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

from shared_apps.accounts.errors import EmailError

_is_email = EmailValidator()


def canonical_email(raw: str) -> str:
    """NFKC, without surrounding blanks, lower case.

    RFC 5321 lets a mail server tell `Bob@` from `bob@`; none does, and two accounts that differ in
    case only are an attack, so the local part is folded as well.
    """
    return unicodedata.normalize("NFKC", raw).strip().lower()


def validated_email(raw: str) -> str:
    """The canonical form of an address.

    Raises:
        EmailError: it is not an address.
    """
    email = canonical_email(raw)
    try:
        _is_email(email)
    except ValidationError:
        raise EmailError(email=[EmailError.message]) from None
    return email
