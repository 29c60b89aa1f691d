"""The shape of gathered rows and of the questions about them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from shared_apps.audit import serializers as audit
from shared_apps.audit.serializers import FilterQuery
from shared_apps.core.fields import AmountField
from shared_apps.tenants.choices import TenantState


class PortfolioQuery(FilterQuery):
    """Filters that every list has."""

    tenant = serializers.CharField(required=False, max_length=40)


class PagedQuery(PortfolioQuery):
    """The paginator reads these itself."""

    page = serializers.CharField(required=False)
    page_size = serializers.CharField(required=False)
    limit = serializers.CharField(required=False)
    offset = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        known = super().validate(attrs)
        paging = ("page", "page_size", "limit", "offset")
        return {name: value for name, value in known.items() if name not in paging}


class TenantQuery(PagedQuery):
    state = serializers.ChoiceField(
        required=False, choices=[(state.lower(), state) for state in TenantState]
    )

    def validate_state(self, value: str) -> TenantState:
        return TenantState(value.upper())


class InvoiceQuery(PagedQuery):
    status = serializers.CharField(required=False, max_length=20)


class EntryQuery(audit.EntryQuery, PortfolioQuery):
    """As a tenant's own, and of one tenant if it is named."""


class TenantSerializer(serializers.Serializer[Any]):
    tenant = serializers.CharField(source="slug")
    id = serializers.UUIDField()
    name = serializers.CharField()
    state = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "PortfolioTenant"

    @extend_schema_field(serializers.ChoiceField(choices=[state.lower() for state in TenantState]))
    def get_state(self, tenant: Any) -> str:
        return str(tenant.state).lower()


class InvoiceSerializer(serializers.Serializer[Any]):
    """Needs `slugs` in its context: tenant's id → name in addresses."""

    tenant = serializers.SerializerMethodField()
    id = serializers.UUIDField(source="invoice_id")
    kind = serializers.CharField()
    status = serializers.CharField()
    year = serializers.IntegerField(allow_null=True)
    number = serializers.IntegerField(allow_null=True)
    reference = serializers.CharField(allow_null=True)
    vendor = serializers.UUIDField(source="vendor_id")
    vendor_name = serializers.CharField()
    currency = serializers.CharField()
    net = AmountField()
    tax = AmountField()
    amount = AmountField()
    due_date = serializers.DateField(allow_null=True)
    created_at = serializers.DateTimeField()
    issued_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        ref_name = "PortfolioInvoice"

    def get_tenant(self, invoice: Any) -> str:
        slugs: dict[Any, str] = self.context["slugs"]
        return slugs[invoice.tenant_id]
