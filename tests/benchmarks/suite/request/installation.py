"""The product with some tenants and their rows. Works in a process of its own, with its own settings."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import django

_SLUG = "bench-{:02}"
FIRST_SCHEMA = "t_bench_01"
PASSWORD = "correct horse battery staple"


def slug(number: int) -> str:
    return _SLUG.format(number)


def host(number: int) -> str:
    return f"{slug(number)}.localhost"


def admin_email(number: int) -> str:
    return f"admin@{slug(number)}.example"


class Installer:
    """A target of `workers.worker`."""

    def __init__(self) -> None:
        django.setup()

    def install(self, *, tenants: int, rows: int) -> None:
        """Everything, and `rows` vendors and invoices of two items in each of the tenants."""
        from django.core.management import call_command
        from django.db import connections

        from shared_apps.core import attribution, context

        with attribution.acting(attribution.command("bench")), context.operator():
            call_command("install", verbosity=0)
            for number in range(1, tenants + 1):
                self._add_tenant(number, rows)
            # What autovacuum would do later, in the middle of the measurement.
            with connections["migration"].cursor() as cursor:
                cursor.execute("VACUUM (ANALYZE)")

    def _add_tenant(self, number: int, rows: int) -> None:
        from shared_apps.core import context
        from shared_apps.onboarding.services import TenantRequest, create_tenant

        tenant = create_tenant(
            request=TenantRequest(
                slug=slug(number),
                name=f"Bench {number}",
                domains=(host(number),),
                admin_email=admin_email(number),
                admin_password=PASSWORD,
            ),
            at=datetime.now(UTC),
        )
        with context.tenant(tenant.identity):
            _add_rows(slug(number), rows)


def _add_rows(name: str, rows: int) -> None:
    from django.db import transaction

    from tenant_apps.invoicing.services import drafts, vendors
    from tenant_apps.invoicing.totals import Line

    person = uuid4()
    items = [
        Line("Transport, pallet", Decimal("3"), Decimal("149.50"), Decimal("0.19")),
        Line("Insurance", Decimal("1"), Decimal("12.345"), Decimal("0.19")),
    ]
    with transaction.atomic():
        for number in range(rows):
            vendor = vendors.create_vendor(
                name=f"Vendor {number} of {name}",
                vat_id="DE000000001",
                email="billing@vendor.example",
                address="Hafenstr. 7, Kiel",
                created_by=person,
            )
            drafts.create_invoice(vendor_id=vendor.id, items=items, created_by=person)
