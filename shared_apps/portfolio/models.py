"""What cross-tenant people read: tenants' rows gathered in shared tables, one tenant's each.

The relay keeps them up to date from the outboxes (projections.py), so that no request reads across
schemas. Nobody but the relay and a rebuild writes them.
"""

from decimal import Decimal
from typing import Any, ClassVar

from django.db import models

from shared_apps.core.personal import Masked, Rule
from shared_apps.core.row_rights import ALL_COLUMNS, RowRights
from shared_apps.tenants.scoping import TenantScoped

_KEPT_BY_THE_RELAY = RowRights(readers=ALL_COLUMNS, relay=("SELECT", "INSERT", "UPDATE", "DELETE"))


def _amount_field() -> "models.DecimalField[Any, Decimal]":
    return models.DecimalField(max_digits=24, decimal_places=6)


class Vendor(TenantScoped):
    """A name to put on invoices that are gathered later."""

    row_rights: ClassVar[RowRights] = _KEPT_BY_THE_RELAY

    vendor_id = models.UUIDField()
    name = models.TextField()

    class Meta(TenantScoped.Meta):
        constraints = [
            models.UniqueConstraint(name="portfolio_vendor_once", fields=["tenant", "vendor_id"]),
        ]


class Invoice(TenantScoped):
    """An invoice of a tenant as of its last change that the relay has seen."""

    row_rights: ClassVar[RowRights] = _KEPT_BY_THE_RELAY

    invoice_id = models.UUIDField()
    kind = models.CharField(max_length=20)
    status = models.CharField(max_length=20)
    year = models.IntegerField(null=True)
    number = models.IntegerField(null=True)
    reference = models.CharField(max_length=40, null=True)
    vendor_id = models.UUIDField()
    vendor_name = models.TextField()
    currency = models.CharField(max_length=3)
    net = _amount_field()
    tax = _amount_field()
    amount = _amount_field()
    due_date = models.DateField(null=True)
    created_at = models.DateTimeField()
    issued_at = models.DateTimeField(null=True)

    class Meta(TenantScoped.Meta):
        constraints = [
            models.UniqueConstraint(name="portfolio_invoice_once", fields=["tenant", "invoice_id"]),
        ]
        indexes = [
            models.Index(name="portfolio_by_age", fields=["created_at", "id"]),
            models.Index(name="portfolio_by_tenant", fields=["tenant", "created_at", "id"]),
            models.Index(name="portfolio_by_status", fields=["tenant", "status", "created_at"]),
            models.Index(name="portfolio_by_vendor", fields=["tenant", "vendor_id"]),
        ]


class Staleness(TenantScoped):
    """A tenant whose gathered rows have to be made anew, and why."""

    row_rights: ClassVar[RowRights] = RowRights(relay=("SELECT", "INSERT", "UPDATE"))
    personal: ClassVar[tuple[Rule, ...]] = (Masked(columns=("reason",)),)

    since = models.DateTimeField()
    reason = models.TextField()

    class Meta(TenantScoped.Meta):
        constraints = [
            models.UniqueConstraint(name="portfolio_stale_once", fields=["tenant"]),
        ]
