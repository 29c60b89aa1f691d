"""Secrets that are kept in the database, sealed with a key that is not in it (AES-256-GCM).

Keys come from the settings by id: the first seals, the others open what they sealed. Every purpose derives
its own, and what is sealed opens only in the place that it was sealed for.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_LENGTH: Final = 12
KEY_LENGTH: Final = 32


class SealBrokenError(Exception):
    """Sealed with another key or for another place, damaged, or with a key that is not known."""


@dataclass(frozen=True, slots=True)
class Sealed:
    key_id: str
    content: bytes


class KeyRing:
    """The keys of one purpose."""

    def __init__(self, keys: Mapping[str, str], *, purpose: str) -> None:
        self._keys = {id: _cipher(secret, purpose) for id, secret in keys.items()}
        self.current = next(iter(keys))

    def seal(self, content: bytes, *, place: bytes) -> Sealed:
        nonce = secrets.token_bytes(NONCE_LENGTH)
        sealed = self._keys[self.current].encrypt(nonce, content, place)
        return Sealed(self.current, nonce + sealed)

    def open(self, sealed: Sealed, *, place: bytes) -> bytes:
        """Raises SealBrokenError."""
        cipher = self._keys.get(sealed.key_id)
        if cipher is None:
            raise SealBrokenError(f"the key {sealed.key_id!r} is not configured")
        nonce, content = sealed.content[:NONCE_LENGTH], sealed.content[NONCE_LENGTH:]
        try:
            return cipher.decrypt(nonce, content, place)
        except (InvalidTag, ValueError):
            raise SealBrokenError(
                f"what was sealed with {sealed.key_id!r} does not open: the key is another one, or it is damaged"
            ) from None


@lru_cache(maxsize=16)
def _cipher(secret: str, purpose: str) -> AESGCM:
    return AESGCM(derive(secret, purpose))


def derive(secret: str, purpose: str) -> bytes:
    """A key for one purpose that tells nothing of those for others (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_LENGTH, salt=None, info=purpose.encode()).derive(
        secret.encode()
    )
