"""Writing gathered rows, many at a time. The relay does it with its connection, a rebuild with Django's.

Whoever writes a tenant's rows holds that tenant's lock until the transaction ends, so a rebuild and the
relay take turns. A rebuild reads the rows as they are; changes that still wait in the outbox then lead
through older values to the same ones again.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from shared_apps.portfolio.sources import InvoiceFacts, VendorFacts

Execute = Callable[[str, list[Any]], Any]

_TYPES = {
    "invoice_id": "uuid",
    "vendor_id": "uuid",
    "year": "int",
    "number": "int",
    "net": "numeric",
    "tax": "numeric",
    "amount": "numeric",
    "due_date": "date",
    "created_at": "timestamptz",
    "issued_at": "timestamptz",
}


def lock(execute: Execute, tenant_id: UUID) -> None:
    execute(
        "SELECT pg_advisory_xact_lock(hashtext('freehold.portfolio'), hashtext(%s))",
        [str(tenant_id)],
    )


def put_vendors(execute: Execute, tenant_id: UUID, vendors: Sequence[VendorFacts]) -> None:
    """Add vendors, or rename those that are there and on all their invoices."""
    if not vendors:
        return
    execute(
        f"""
        WITH given AS (SELECT * FROM {_unnest(VendorFacts)}),
        put AS (
            INSERT INTO public.portfolio_vendor (tenant_id, vendor_id, name)
            SELECT %s, vendor_id, name FROM given
            ON CONFLICT (tenant_id, vendor_id) DO UPDATE SET name = EXCLUDED.name
        )
        UPDATE public.portfolio_invoice i SET vendor_name = given.name FROM given
        WHERE i.tenant_id = %s AND i.vendor_id = given.vendor_id AND i.vendor_name <> given.name
        """,  # noqa: S608 (made of constants)
        [*_columns(vendors), tenant_id, tenant_id],
    )


def put_invoices(execute: Execute, tenant_id: UUID, invoices: Sequence[InvoiceFacts]) -> None:
    """Add invoices, or bring those that are there to the given state."""
    if not invoices:
        return
    names = [field.name for field in fields(InvoiceFacts)]
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in [*names, "vendor_name"])
    execute(
        f"""
        INSERT INTO public.portfolio_invoice (tenant_id, {", ".join(names)}, vendor_name)
        SELECT %s, given.*, coalesce(v.name, '') FROM {_unnest(InvoiceFacts)}
        LEFT JOIN public.portfolio_vendor v ON v.tenant_id = %s AND v.vendor_id = given.vendor_id
        ON CONFLICT (tenant_id, invoice_id) DO UPDATE SET {changes}
        """,  # noqa: S608 (made of constants)
        [tenant_id, *_columns(invoices), tenant_id],
    )


def remove_vendors(execute: Execute, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    execute(
        "DELETE FROM public.portfolio_vendor WHERE tenant_id = %s AND vendor_id = ANY(%s)",
        [tenant_id, list(ids)],
    )


def remove_invoices(execute: Execute, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    execute(
        "DELETE FROM public.portfolio_invoice WHERE tenant_id = %s AND invoice_id = ANY(%s)",
        [tenant_id, list(ids)],
    )


def remove_everything(execute: Execute, tenant_id: UUID) -> None:
    for table in ("portfolio_invoice", "portfolio_vendor", "portfolio_staleness"):
        execute(f"DELETE FROM public.{table} WHERE tenant_id = %s", [tenant_id])  # noqa: S608 (the names above)


def mark_stale(execute: Execute, tenant_id: UUID, *, reason: str, at: datetime) -> None:
    execute(
        "INSERT INTO public.portfolio_staleness (tenant_id, since, reason) VALUES (%s, %s, %s)"
        " ON CONFLICT (tenant_id) DO UPDATE SET reason = EXCLUDED.reason",
        [tenant_id, at, reason],
    )


def _unnest(kind: type[VendorFacts] | type[InvoiceFacts]) -> str:
    names = [field.name for field in fields(kind)]
    arrays = ", ".join(f"%s::{_TYPES.get(name, 'text')}[]" for name in names)
    return f"unnest({arrays}) AS given ({', '.join(names)})"


def _columns(facts: Sequence[VendorFacts | InvoiceFacts]) -> list[list[Any]]:
    return [list(column) for column in zip(*map(astuple, facts), strict=True)]
