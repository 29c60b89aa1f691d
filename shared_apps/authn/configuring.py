"""Changes of where a tenant's people prove who they are. For operators; in their context."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from shared_apps.accounts import identities
from shared_apps.authn.backends import configurations, kinds, registry
from shared_apps.authn.backends.kinds import DATABASE, Kind
from shared_apps.authn.choices import BREAK_GLASS, SessionEnd
from shared_apps.authn.errors import UnknownBackendError
from shared_apps.authn.models import AuthConfiguration, Session
from shared_apps.core import context, resealing
from shared_apps.core.sealing import SealBrokenError
from shared_apps.tenants.models import Tenant


@dataclass(frozen=True)
class Wanted:
    """A configuration whose options are valid by the schema of the kind."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    break_glass: tuple[str, ...] = ()
    """Canonical addresses."""


@dataclass(frozen=True)
class Present:
    """What a tenant has."""

    kind: str = DATABASE
    options: Mapping[str, Any] = field(default_factory=dict)
    break_glass: tuple[str, ...] = ()
    secrets: Mapping[str, str] | None = field(default_factory=dict, repr=False)
    """None: they cannot be opened."""

    def changed_secrets(self, wanted: Mapping[str, str]) -> list[str]:
        """Names of those that are other ones than wanted, or cannot be opened; in order."""
        if self.secrets is None:
            return sorted(wanted)
        names = {*self.secrets, *wanted}
        return sorted(name for name in names if self.secrets.get(name) != wanted.get(name))


def list_present(*, tenant_ids: Collection[UUID]) -> dict[UUID, Present]:
    """Of every one of these tenants: one query."""
    with context.operator():
        rows = AuthConfiguration.objects.in_bulk(list(tenant_ids))
    return {id: _present(rows.get(id)) for id in tenant_ids}


def find_realm(*, tenant_id: UUID) -> UUID | None:
    """Of the tenant's directory; None if it has none."""
    with context.operator():
        rows = AuthConfiguration.objects.filter(tenant_id=tenant_id)
        return rows.values_list("realm", flat=True).first()


def list_kinds() -> Mapping[str, Kind]:
    """What is declared of each backend, also of one that is not available."""
    return registry.found().kinds


def list_own_kinds() -> Mapping[str, Kind]:
    """Without those that installed packages bring."""
    return kinds.BUILT_IN


def definitions() -> dict[str, Any]:
    """JSON Schema to which the kinds' options refer."""
    return kinds.definitions()


def is_available(kind: str) -> bool:
    return kind in registry.found().classes


def configure(*, tenant_id: UUID, wanted: Wanted, at: datetime) -> bool:
    """Have a tenant's people prove who they are as wanted, from the next sign-in on; whether it changed.

    When it is another directory, sessions that the former one proved end, and so do the roles that its
    groups gave. Whoever is no longer in `break_glass` loses the sessions opened that way.

    Raises:
        UnknownBackendError: there is no such backend here; nothing was changed.
    """
    if not is_available(wanted.kind):
        raise UnknownBackendError(kind=wanted.kind)
    with context.operator(), transaction.atomic():
        # Sign-ins hold the row shared until they are committed (services.py): none of the former
        # realm comes after this.
        Tenant.objects.select_for_update().get(id=tenant_id)
        row = AuthConfiguration.objects.filter(tenant_id=tenant_id).first()
        former = row.realm if row else None
        if not _write(row, tenant_id, wanted, at):
            return False
        if former != _realm(tenant_id, wanted):
            identities.drop_directory_roles(tenant_id=tenant_id)
            proven = Session.objects.filter(tenant_id=tenant_id).exclude(backend=BREAK_GLASS)
            _end(proven, at)
        past_it = Session.objects.filter(tenant_id=tenant_id, backend=BREAK_GLASS)
        _end(past_it.exclude(user__email__in=wanted.break_glass), at)
    return True


def _write(row: AuthConfiguration | None, tenant_id: UUID, wanted: Wanted, at: datetime) -> bool:
    realm = _realm(tenant_id, wanted)
    if realm is None:
        if row is not None:
            row.delete()
        return row is not None
    told = (wanted.kind, realm, dict(wanted.options), sorted(wanted.break_glass))
    if row is None:
        row = AuthConfiguration(tenant_id=tenant_id)
    elif told == (
        row.kind, row.realm, row.options, row.break_glass
    ) and not _present(row).changed_secrets(wanted.secrets):  # fmt: skip
        return False
    row.kind, row.realm, row.options, row.break_glass = told
    row.changed_at = at
    configurations.seal_secrets(row, wanted.secrets)
    row.save()
    return True


def _present(row: AuthConfiguration | None) -> Present:
    if row is None:
        return Present()
    try:
        secrets: Mapping[str, str] | None = configurations.open_secrets(row)
    except SealBrokenError:
        secrets = None
    return Present(row.kind, row.options, tuple(row.break_glass), secrets)


def rewrap_secrets() -> int:
    """Seal what is sealed with a former key with the first of AUTH_ENCRYPTION_KEYS; how many it were.

    Safe to stop and to begin again.

    Raises:
        SealBrokenError: one cannot be opened; those before it are done.
    """
    return resealing.reseal(
        AuthConfiguration,
        key_field="secrets_key",
        current=configurations.key_ring().current,
        seal_again=_seal_again,
    )


def count_by_key() -> dict[str, int]:
    """Id of AUTH_ENCRYPTION_KEYS → configurations whose secrets it opens."""
    return resealing.count_by_key(AuthConfiguration, key_field="secrets_key")


def _seal_again(row: AuthConfiguration) -> None:
    configurations.seal_secrets(row, configurations.open_secrets(row))
    row.save(update_fields=["secrets", "secrets_key"])


def _realm(tenant_id: UUID, wanted: Wanted) -> UUID | None:
    if wanted.kind == DATABASE:
        return None
    names = registry.found().kinds[wanted.kind].realm_options
    return configurations.realm_of(
        tenant_id=tenant_id, kind=wanted.kind, options=wanted.options, names=names
    )


def _end(sessions: Any, at: datetime) -> None:
    sessions.filter(revoked_at=None).update(
        revoked_at=at, revoked_reason=SessionEnd.BACKEND_CHANGED
    )
