"""Texts of mails while they wait: whoever reads the database alone cannot use the links in them."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac


class TextUnreadableError(Exception):
    """It was sealed with a SECRET_KEY that is not among the settings."""


def seal(text: str) -> str:
    return _keys().encrypt(text.encode()).decode()


def opened(sealed: str) -> str:
    """Raises TextUnreadableError."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise TextUnreadableError from None


def _keys() -> MultiFernet:
    return MultiFernet(
        [_derived(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    )


def _derived(secret: str) -> Fernet:
    key = salted_hmac("freehold.mail", "text", secret=secret, algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(key))
