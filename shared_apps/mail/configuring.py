"""Which server a tenant's mails leave by. For operators; in their context."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from shared_apps.core import context, resealing
from shared_apps.core.sealing import SealBrokenError
from shared_apps.mail import sealing
from shared_apps.mail.choices import MailSecurity
from shared_apps.mail.models import TenantMailServer

PORTS: Final = {MailSecurity.TLS: 465, MailSecurity.STARTTLS: 587}


@dataclass(frozen=True, slots=True)
class MailServer:
    host: str
    sender: str
    security: MailSecurity = MailSecurity.TLS
    port: int = 0
    """0: the usual one."""
    user: str = ""
    ca_certificate: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "port", self.port or PORTS[self.security])


@dataclass(frozen=True, slots=True)
class Present:
    """What a tenant has."""

    server: MailServer
    password: str | None = field(repr=False)
    """None: it cannot be opened."""


def list_present(*, tenant_ids: Collection[UUID]) -> Mapping[UUID, Present]:
    """Of those of these tenants that have a server of their own: one query."""
    with context.operator():
        rows = TenantMailServer.objects.in_bulk(list(tenant_ids))
    return {id: _present(row) for id, row in rows.items()}


def configure(
    *, tenant_id: UUID, server: MailServer | None, password: str = "", at: datetime
) -> bool:
    """Have a tenant's mails leave by this server from the next one on, or None: by the installation's;
    whether it changed."""
    with context.operator(), transaction.atomic():
        row = TenantMailServer.objects.select_for_update().filter(tenant_id=tenant_id).first()
        if server is None:
            if row is not None:
                row.delete()
            return row is not None
        if row is not None and _present(row) == Present(server, password):
            return False
        row = row or TenantMailServer(tenant_id=tenant_id)
        for name, value in asdict(server).items():
            setattr(row, name, value)
        sealing.seal_password(row, password)
        row.changed_at = at
        row.save()
    return True


def rewrap_passwords() -> int:
    """Seal what is sealed with a former key with the first of AUTH_ENCRYPTION_KEYS; how many it were.

    Safe to stop and to begin again.

    Raises:
        SealBrokenError: one cannot be opened; those before it are done.
    """
    return resealing.reseal(
        TenantMailServer,
        key_field="password_key",
        current=sealing.password_keys().current,
        seal_again=_seal_again,
    )


def count_by_key() -> dict[str, int]:
    """Id of AUTH_ENCRYPTION_KEYS → mail servers whose password it opens."""
    return resealing.count_by_key(TenantMailServer, key_field="password_key")


def _seal_again(row: TenantMailServer) -> None:
    sealing.seal_password(row, sealing.open_password(row))
    row.save()


def _present(row: TenantMailServer) -> Present:
    server = MailServer(
        host=row.host, port=row.port, security=MailSecurity(row.security), sender=row.sender,
        user=row.user, ca_certificate=row.ca_certificate,
    )  # fmt: skip
    try:
        return Present(server, sealing.open_password(row))
    except SealBrokenError:
        return Present(server, None)
