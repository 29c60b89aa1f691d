"""Secrets of a tenant in its archive, for whoever asks for them: sealed with a passphrase (scrypt, AES-256-GCM)."""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from shared_apps.authn import configuring
from shared_apps.mail import configuring as mail
from shared_apps.onboarding.archive import values
from shared_apps.onboarding.errors import (
    ArchiveInvalidError,
    PassphraseWrongError,
    SecretsUnreadableError,
)

# RFC 7914; 128 MiB and a good part of a second for each guess.
_COST: Final = {"n": 1 << 17, "r": 8, "p": 1}
_SALT, _NONCE = 16, 12


@dataclass(frozen=True, slots=True)
class TenantSecrets:
    auth: Mapping[str, str] | None = field(default=None, repr=False)
    """What its sign-in needs; None: not known."""
    mail: str | None = field(default=None, repr=False)
    """The password of its mail server; None: not known."""


UNKNOWN: Final = TenantSecrets()


def present(*, tenant_id: UUID) -> TenantSecrets:
    """Of a tenant that is here; None for what AUTH_ENCRYPTION_KEYS does not open."""
    signs_in = configuring.list_present(tenant_ids=[tenant_id])[tenant_id]
    server = mail.list_present(tenant_ids=[tenant_id]).get(tenant_id)
    return TenantSecrets(signs_in.secrets, server.password if server else "")


def read(*, tenant_id: UUID) -> TenantSecrets:
    """The same, all of it.

    Raises:
        SecretsUnreadableError: AUTH_ENCRYPTION_KEYS does not open them.
    """
    found = present(tenant_id=tenant_id)
    if found.auth is None or found.mail is None:
        raise SecretsUnreadableError
    return found


def seal(secrets: TenantSecrets, *, passphrase: str, tenant_id: UUID) -> str:
    """Text for the manifest; it opens with this passphrase, in the archive of this tenant alone."""
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    content = json.dumps(asdict(secrets)).encode()
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, content, tenant_id.bytes)
    return base64.b64encode(salt + nonce + sealed).decode()


def opened(sealed: str, *, passphrase: str, tenant_id: UUID) -> TenantSecrets:
    """Raises PassphraseWrongError, ArchiveInvalidError."""
    try:
        raw = base64.b64decode(sealed, validate=True)
        salt, nonce, content = raw[:_SALT], raw[_SALT : _SALT + _NONCE], raw[_SALT + _NONCE :]
        text = AESGCM(_key(passphrase, salt)).decrypt(nonce, content, tenant_id.bytes)
        told = values.mapping(values.parse(text), ("auth", "mail"))
        auth = {name: values.text(one) for name, one in values.any_mapping(told["auth"]).items()}
        return TenantSecrets(auth, values.text(told["mail"]))
    except InvalidTag:
        raise PassphraseWrongError from None
    except (ValueError, KeyError):
        raise ArchiveInvalidError("The archive's secrets cannot be read.") from None


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, **_COST).derive(passphrase.encode())
