"""What an app of tenants says of its rows to have them gathered.

    sources.register(sources.Source(...))    # in its apps.ready()

The portfolio knows no tenant app; a tenant app turns its rows into the facts below.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class VendorFacts:
    vendor_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    invoice_id: UUID
    kind: str
    status: str
    year: int | None
    number: int | None
    reference: str | None
    vendor_id: UUID
    currency: str
    net: Decimal
    tax: Decimal
    amount: Decimal
    due_date: date | None
    created_at: datetime
    issued_at: datetime | None


Values = Mapping[str, Any]
"""A row as the outbox holds it: column → value; numbers with a point, times and UUIDs are strings."""


@dataclass(frozen=True, slots=True)
class Source:
    """Both ways to the same facts: from a change, and from the rows that there are."""

    vendor_entity: str
    invoice_entity: str
    vendor_of: Callable[[Values], VendorFacts]
    invoice_of: Callable[[Values], InvoiceFacts]
    iterate_vendors: Callable[[], Iterator[VendorFacts]]
    """All of the tenant in whose context it is asked."""
    iterate_invoices: Callable[[], Iterator[InvoiceFacts]]


_sources: list[Source] = []


def register(source: Source) -> None:
    _sources.append(source)


def registered() -> list[Source]:
    return list(_sources)
