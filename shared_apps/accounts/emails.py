"""Which text is an e-mail address."""

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

from shared_apps.accounts.errors import EmailError
from shared_apps.core.emails import canonical_email

_is_email = EmailValidator()


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
