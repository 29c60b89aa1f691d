"""One tenant as it is declared: well-formed, names in canonical form, secrets still references."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared_apps.audit.sinks.declaring import Wanted
from shared_apps.authn.lifetimes import Declared
from shared_apps.core.limits import QueryLogMode, TenantLimits
from shared_apps.core.references import Reference, Secrets
from shared_apps.mail.configuring import MailServer
from shared_apps.onboarding.choices import SetupFlag
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.quotas import TenantQuotas

DATABASE = "database"
ADMIN_PASSWORD = "admin_password"  # noqa: S105 (a key, not a password)


@dataclass(frozen=True, slots=True)
class AuthSpec:
    backend: str = DATABASE
    options: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Reference] = field(default_factory=dict)
    break_glass: tuple[str, ...] = ()

    @property
    def is_kept(self) -> bool:
        """Nothing is declared: a new tenant has our own passwords, one that is there stays as it is."""
        return not self.backend


KEPT = AuthSpec(backend="")


@dataclass(frozen=True, slots=True)
class MailSpec:
    server: MailServer | None = None
    """None: the installation's."""
    password: Reference | None = None
    is_kept: bool = False
    """Nothing is declared: a tenant that is there keeps what it has."""


KEPT_MAIL = MailSpec(is_kept=True)


@dataclass(frozen=True, slots=True)
class LimitsSpec:
    """None: the installation's default."""

    requests_per_minute: int | None = None
    statement_timeout_ms: int | None = None
    connections: int | None = None
    storage_mb: int | None = None
    query_log: str | None = None
    audit_backlog_rows: int | None = None
    audit_backlog_seconds: int | None = None
    access_token_minutes: int | None = None
    refresh_token_days: int | None = None
    max_login_hours: int | None = None

    def limits(self, *, present: TenantLimits) -> TenantLimits:
        """What cannot be declared stays as it is."""
        return TenantLimits(
            statement_timeout_ms=self.statement_timeout_ms,
            idle_in_transaction_timeout_ms=present.idle_in_transaction_timeout_ms,
            connections=self.connections,
            query_log=None if self.query_log is None else QueryLogMode(self.query_log),
            audit_backlog_rows=self.audit_backlog_rows,
            audit_backlog_seconds=self.audit_backlog_seconds,
        )

    def quotas(self) -> TenantQuotas:
        return TenantQuotas(
            requests_per_minute=self.requests_per_minute, storage_mb=self.storage_mb
        )

    def lifetimes(self) -> Declared:
        return Declared(self.access_token_minutes, self.refresh_token_days, self.max_login_hours)


@dataclass(frozen=True, slots=True)
class SinkSpec:
    """Where entries of the tenant's trail are sent on to."""

    url: str
    format: str
    secret: Reference | None

    def wanted(self, secrets: Secrets | None) -> Wanted:
        """As it is stored: a file's path no longer depends on where the declaration lies."""
        found = self.secret
        if found is not None and found.file and secrets is not None:
            found = Reference(file=str(secrets.directory / found.file))
        return Wanted(self.url, self.format, found)


@dataclass(frozen=True, slots=True)
class TenantSpec:
    slug: str
    name: str
    domains: tuple[str, ...]
    """The first is primary."""
    admins: tuple[str, ...]
    state: TenantState | None = None
    """None: new ones become active, existing ones stay as they are."""
    auth: AuthSpec = field(default_factory=AuthSpec)
    limits: LimitsSpec = field(default_factory=LimitsSpec)
    features: Mapping[str, bool] = field(default_factory=dict)
    registration: tuple[str, ...] = ()
    """Of whose addresses people may register themselves; empty: nobody."""
    mail: MailSpec = field(default_factory=MailSpec)
    setup: tuple[SetupFlag, ...] = ()
    sinks: Mapping[str, SinkSpec] | None = None
    """By their names; None: nothing is declared, and those that there are stay."""

    def wanted_sinks(self, secrets: Secrets | None) -> dict[str, Wanted]:
        return {name: sink.wanted(secrets) for name, sink in (self.sinks or {}).items()}
