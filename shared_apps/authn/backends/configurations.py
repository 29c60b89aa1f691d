"""Where a tenant's people prove who they are, as it is kept: secrets sealed, for this tenant alone."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from django.conf import settings
from django.db import connection

from shared_apps.authn.backends.base import Configuration
from shared_apps.authn.errors import BackendUnavailableError
from shared_apps.authn.models import AuthConfiguration
from shared_apps.core import context
from shared_apps.core.sealing import KeyRing, SealBrokenError, Sealed

logger = logging.getLogger(__name__)

_PURPOSE: Final = "freehold.authn.configuration"


def find_row(*, tenant_id: UUID) -> AuthConfiguration | None:
    """None: our own passwords. Read for every sign-in, so that a change counts in every process at once."""
    with context.operator():
        return AuthConfiguration.objects.filter(tenant_id=tenant_id).first()


@dataclass(frozen=True, slots=True)
class Basis:
    """What of a configuration somebody's sign-in rests on."""

    kind: str
    realm: UUID
    is_past_it: bool
    """By our own password, as one of `break_glass`."""


def basis_of(row: AuthConfiguration | None, *, name: str) -> Basis | None:
    return Basis(row.kind, row.realm, name in row.break_glass) if row else None


def find_basis(*, tenant_id: UUID, name: str) -> Basis | None:
    """As `basis_of` what there is now."""
    with context.operator(), connection.cursor() as cursor:
        cursor.execute(_BASIS, [name, tenant_id])
        row = cursor.fetchone()
    return Basis(*row) if row else None


# Written out for the sign-ins that wait for it.
_BASIS = "SELECT kind, realm, break_glass ? %s FROM authn_authconfiguration WHERE tenant_id = %s"


def opened(row: AuthConfiguration) -> Configuration:
    """Raises BackendUnavailableError: AUTH_ENCRYPTION_KEYS does not open the secrets."""
    try:
        secrets = open_secrets(row)
    except SealBrokenError as error:
        logger.error("The secrets of a tenant's sign-in cannot be opened: %s", error)
        raise BackendUnavailableError from None
    return Configuration(
        tenant_id=row.tenant_id,
        kind=row.kind,
        realm=row.realm,
        options=row.options,
        secrets=secrets,
    )


def seal_secrets(row: AuthConfiguration, secrets: Mapping[str, str]) -> None:
    """Keep them in the row, which the caller saves."""
    if not secrets:
        row.secrets, row.secrets_key = b"", ""
        return
    sealed = key_ring().seal(json.dumps(dict(secrets)).encode(), place=_place(row))
    row.secrets, row.secrets_key = sealed.content, sealed.key_id


def open_secrets(row: AuthConfiguration) -> dict[str, str]:
    """Raises SealBrokenError."""
    if not row.secrets_key:
        return {}
    sealed = Sealed(row.secrets_key, bytes(row.secrets))
    secrets: dict[str, str] = json.loads(key_ring().open(sealed, place=_place(row)))
    return secrets


def key_ring() -> KeyRing:
    return _key_ring(tuple(settings.AUTH_ENCRYPTION_KEYS.items()))


@lru_cache(maxsize=4)
def _key_ring(keys: tuple[tuple[str, str], ...]) -> KeyRing:
    return KeyRing(dict(keys), purpose=_PURPOSE)


def realm_of(
    *, tenant_id: UUID, kind: str, options: Mapping[str, object], names: tuple[str, ...]
) -> UUID:
    """Whom ids are unique among: the tenant's, at this one directory.

    Of another tenant it is another, whatever it declares; of a directory that a tenant comes back to it
    is the same as before, so its people are.
    """
    unique = [str(options.get(name, "")).strip().lower() for name in names]
    return uuid5(NAMESPACE_OID, json.dumps([str(tenant_id), kind, *unique]))


def _place(row: AuthConfiguration) -> bytes:
    return row.tenant_id.bytes
