"""What lists of invoices may be asked for."""

import re
from typing import Any

from django.db.models import Q, QuerySet
from django_filters import CharFilter, ChoiceFilter, FilterSet, UUIDFilter

from tenant_apps.invoicing.choices import InvoiceStatus
from tenant_apps.invoicing.models import Invoice

_REFERENCE = re.compile(r"(\d{4})-(\d{1,9})", re.ASCII)


class InvoiceFilter(FilterSet):  # type: ignore[misc]  # the package has no types
    """`search`: part of the vendor's name, or a reference such as 2026-00042."""

    status = ChoiceFilter(choices=InvoiceStatus.choices)
    vendor = UUIDFilter(field_name="vendor_id")
    search = CharFilter(method="filter_search", max_length=200)

    class Meta:
        model = Invoice
        fields: list[str] = []

    def filter_search(self, invoices: QuerySet[Invoice], _: str, text: str) -> Any:
        wanted = Q(vendor__name__icontains=text)
        if match := _REFERENCE.fullmatch(text):
            wanted |= Q(year=int(match[1]), number=int(match[2]))
        return invoices.filter(wanted)
