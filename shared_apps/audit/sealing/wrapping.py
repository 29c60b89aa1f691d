"""AUDIT_SEALING_KEYS: the secrets that wrap people's keys, and name people so that a name tells nobody.

The first wraps what is made now, the others still open what they wrapped.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from shared_apps.audit.errors import SealingKeyError
from shared_apps.core.emails import canonical_email
from shared_apps.core.sealing import KEY_LENGTH, NONCE_LENGTH, derive

_PURPOSE: Final = "freehold.audit.sealing"


@dataclass(frozen=True, slots=True)
class Subject:
    """A person as rows know them. `text` is `account:<id>` or `address:<canonical form>`."""

    text: str

    @classmethod
    def of_account(cls, user_id: UUID | str) -> Self:
        return cls(f"account:{user_id}")

    @classmethod
    def of_address(cls, address: str) -> Self:
        return cls(f"address:{canonical_email(address)}")


@dataclass(frozen=True, slots=True)
class WrappingSecret:
    id: str
    wrapping: AESGCM
    naming: bytes

    @property
    def proof(self) -> str:
        """Kept in the database, where it tells a process with another secret of the same id."""
        return hmac.new(self.naming, b"proof", hashlib.sha256).hexdigest()

    def name(self, subject: Subject) -> str:
        return hmac.new(self.naming, subject.text.encode(), hashlib.sha256).hexdigest()

    def wrap(self, key: bytes, subject: Subject, *, key_id: UUID, trail_id: UUID) -> bytes:
        nonce = secrets.token_bytes(NONCE_LENGTH)
        content = key + subject.text.encode()
        return nonce + self.wrapping.encrypt(nonce, content, trail_id.bytes + key_id.bytes)

    def unwrap(self, wrapped: bytes, *, key_id: UUID, trail_id: UUID) -> tuple[bytes, Subject]:
        """Raises SealingKeyError: it was wrapped with another secret, for another key or trail."""
        nonce, sealed = wrapped[:NONCE_LENGTH], wrapped[NONCE_LENGTH:]
        try:
            content = self.wrapping.decrypt(nonce, sealed, trail_id.bytes + key_id.bytes)
        except InvalidTag:
            raise SealingKeyError(f"A key of the audit trail ({key_id}) is damaged.") from None
        return content[:KEY_LENGTH], Subject(content[KEY_LENGTH:].decode())


def configured() -> tuple[WrappingSecret, ...]:
    """The secrets of the settings, the one in use first."""
    return tuple(_derived(id, secret) for id, secret in settings.AUDIT_SEALING_KEYS.items())


def by_id() -> dict[str, WrappingSecret]:
    return {secret.id: secret for secret in configured()}


def names_of(subject: Subject) -> list[str]:
    """What a person may be called in the database."""
    return [secret.name(subject) for secret in configured()]


def require(in_use: Iterable[tuple[str, str]]) -> None:
    """That what the database knows (id, proof) is what the settings say.

    Raises:
        SealingKeyError: a secret is missing, or another one; nothing may be sealed, opened or destroyed.
    """
    known = by_id()
    for id, proof in in_use:
        if id not in known:
            raise SealingKeyError(
                f"AUDIT_SEALING_KEYS lacks {id!r}, with which keys of the audit trail are wrapped."
            )
        if not hmac.compare_digest(known[id].proof, proof):
            raise SealingKeyError(
                f"AUDIT_SEALING_KEYS has another secret for {id!r} than the one that wraps keys of"
                " the audit trail."
            )


def new_key() -> bytes:
    return AESGCM.generate_key(KEY_LENGTH * 8)


@lru_cache(maxsize=16)
def _derived(id: str, secret: str) -> WrappingSecret:
    return WrappingSecret(
        id, AESGCM(derive(secret, f"{_PURPOSE}.wrapping")), derive(secret, f"{_PURPOSE}.naming")
    )
