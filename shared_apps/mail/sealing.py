"""Texts of mails while they wait, and passwords of mail servers: whoever reads the database alone can use neither."""

import base64
from functools import lru_cache
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac

from shared_apps.core.sealing import KeyRing, Sealed
from shared_apps.mail.models import TenantMailServer

_PASSWORDS: Final = "freehold.mail.server"


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


def is_sealed_with_former(sealed: str) -> bool:
    """Whether it is not opened by SECRET_KEY alone."""
    try:
        _derived(settings.SECRET_KEY).decrypt(sealed.encode())
    except InvalidToken:
        return True
    return False


def _keys() -> MultiFernet:
    return MultiFernet(
        [_derived(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    )


def _derived(secret: str) -> Fernet:
    key = salted_hmac("freehold.mail", "text", secret=secret, algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(key))


def seal_password(server: TenantMailServer, password: str) -> None:
    """Keep it in the row, which the caller saves."""
    if not password:
        server.password, server.password_key = b"", ""
        return
    sealed = password_keys().seal(password.encode(), place=server.tenant_id.bytes)
    server.password, server.password_key = sealed.content, sealed.key_id


def open_password(server: TenantMailServer) -> str:
    """Raises SealBrokenError."""
    if not server.password_key:
        return ""
    sealed = Sealed(server.password_key, bytes(server.password))
    return password_keys().open(sealed, place=server.tenant_id.bytes).decode()


def password_keys() -> KeyRing:
    return _key_ring(tuple(settings.AUTH_ENCRYPTION_KEYS.items()))


@lru_cache(maxsize=4)
def _key_ring(keys: tuple[tuple[str, str], ...]) -> KeyRing:
    return KeyRing(dict(keys), purpose=_PASSWORDS)
