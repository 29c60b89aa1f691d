"""Tenants and the host names that they answer at."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models.functions import Concat, Lower
from django_tenants.models import DomainMixin, TenantMixin

from shared_apps.audit.models import Auditable
from shared_apps.core.context import TenantIdentity
from shared_apps.core.limits import QueryLogMode, TenantLimits, TenantQuotas
from shared_apps.core.personal import Masked, Rule
from shared_apps.core.row_rights import RowRights
from shared_apps.tenants.choices import OutcomeState, TenantState

_QUERY_LOG_MODES = [(mode.value, mode.value) for mode in QueryLogMode]


class Tenant(Auditable, TenantMixin):
    """One customer. `schema_name` and `role_name` are chosen at creation and never change."""

    row_rights: ClassVar[RowRights] = RowRights(
        readers=("id", "slug", "name", "state", "created_at"), column="id"
    )
    personal: ClassVar[tuple[Rule, ...]] = (Masked(columns=("state_reason", "last_error")),)

    # Schemas are made by provisioning, step by step, not by saving a row.
    auto_create_schema = False

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=200)
    role_name = models.CharField(max_length=63, unique=True)
    state = models.CharField(max_length=12, choices=TenantState, default=TenantState.PENDING)
    state_reason = models.CharField(max_length=500, blank=True)
    last_error = models.TextField(blank=True)
    # Empty: the installation's default.
    statement_timeout_ms = models.PositiveIntegerField(null=True, blank=True)
    idle_in_transaction_timeout_ms = models.PositiveIntegerField(null=True, blank=True)
    connection_limit = models.PositiveIntegerField(null=True, blank=True)
    audit_backlog_rows = models.PositiveIntegerField(null=True, blank=True)
    audit_backlog_seconds = models.PositiveIntegerField(null=True, blank=True)
    # A name in RATE_PLANS; empty: the installation's rates.
    plan = models.CharField(max_length=40, db_default="", default="", blank=True)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    storage_mb = models.PositiveIntegerField(null=True, blank=True)
    query_log = models.CharField(max_length=7, choices=_QUERY_LOG_MODES, null=True, blank=True)
    # With the database's own default: a version that does not know the column adds tenants too.
    features = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField()), blank=True
    )
    created_at = models.DateTimeField(auto_now_add=True)
    state_changed_at = models.DateTimeField(auto_now_add=True)
    # Of an archived tenant that is to be deleted: from then on it may be, and cannot be taken back.
    delete_after = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                name="tenant_slug_rule",
                condition=models.Q(slug__regex=r"^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$"),
            ),
            models.CheckConstraint(
                name="tenant_schema_rule",
                condition=models.Q(schema_name__regex=r"^t_[a-z](?:[a-z0-9_]{0,38}[a-z0-9])?$"),
            ),
            # Statements run as this role: a row must not name a login, a group or another tenant's.
            models.CheckConstraint(
                name="tenant_database_role_rule",
                condition=models.Q(
                    role_name__endswith=Concat(models.Value("_"), models.F("schema_name"))
                ),
            ),
            models.CheckConstraint(
                name="tenant_state_rule", condition=models.Q(state__in=TenantState.values)
            ),
            # To PostgreSQL a timeout of zero is none at all. (A check passes where a value is empty.)
            models.CheckConstraint(
                name="tenant_limits_rule",
                condition=models.Q(
                    statement_timeout_ms__gte=1,
                    idle_in_transaction_timeout_ms__gte=1,
                    connection_limit__gte=1,
                ),
            ),
            models.CheckConstraint(
                name="tenant_query_log_rule",
                condition=models.Q(query_log__in=[mode.value for mode in QueryLogMode]),
            ),
            models.CheckConstraint(
                name="tenant_quotas_rule",
                condition=models.Q(requests_per_minute__gte=1, storage_mb__gte=1),
            ),
            models.CheckConstraint(
                name="tenant_audit_backlog_rule",
                condition=models.Q(audit_backlog_rows__gte=1, audit_backlog_seconds__gte=1),
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    def _check_schema_name_is_unique(self) -> None:
        # The base class asks before it inserts, and of two at once the slower would be told in another
        # way. Ours have no capitals (tenant_schema_rule), so the unique index answers for both.
        return

    @property
    def identity(self) -> TenantIdentity:
        return TenantIdentity(
            id=self.id,
            slug=self.slug,
            schema=self.schema_name,
            role=self.role_name,
            limits=self.limits,
            quotas=self.quotas,
        )

    @property
    def limits(self) -> TenantLimits:
        return TenantLimits(
            statement_timeout_ms=self.statement_timeout_ms,
            idle_in_transaction_timeout_ms=self.idle_in_transaction_timeout_ms,
            connections=self.connection_limit,
            query_log=QueryLogMode(self.query_log) if self.query_log else None,
            audit_backlog_rows=self.audit_backlog_rows,
            audit_backlog_seconds=self.audit_backlog_seconds,
        )

    @property
    def quotas(self) -> TenantQuotas:
        return TenantQuotas(
            plan=self.plan,
            requests_per_minute=self.requests_per_minute,
            storage_mb=self.storage_mb,
        )


class Domain(Auditable, DomainMixin):
    """A host name, stored in canonical form (names.canonical_host)."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="domains")

    class Meta:
        ordering = ["-is_primary", "domain"]
        constraints = [
            models.CheckConstraint(
                name="domain_is_canonical",
                condition=models.Q(
                    domain=Lower("domain"), domain__regex=r"^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$"
                ),
            ),
            models.UniqueConstraint(
                name="one_primary_domain", fields=["tenant"], condition=models.Q(is_primary=True)
            ),
        ]


class TaskOutcome(models.Model):
    """How a task that fans out over the tenants last went for one of them.

    One row for each pair, so nothing has to be cleaned up. For operators: no tenant's role sees it.
    """

    personal: ClassVar[tuple[Rule, ...]] = (Masked(columns=("error",)),)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="task_outcomes")
    task = models.CharField(max_length=200)
    run_id = models.UUIDField()
    """The fan-out that the row speaks of; a straggler of an earlier one does not overwrite it."""
    state = models.CharField(max_length=9, choices=OutcomeState)
    error = models.CharField(max_length=500, blank=True)
    sent_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["task"]
        constraints = [
            models.UniqueConstraint(name="one_outcome_per_task", fields=["tenant", "task"]),
            models.CheckConstraint(
                name="outcome_state_rule", condition=models.Q(state__in=OutcomeState.values)
            ),
        ]
