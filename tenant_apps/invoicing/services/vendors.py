"""Every write to vendors."""

from uuid import UUID

from django.db import transaction

from shared_apps.core.preconditions import Expected, require_expected
from tenant_apps.invoicing import selectors
from tenant_apps.invoicing.errors import VendorInUseError
from tenant_apps.invoicing.models import Vendor


@transaction.atomic
def create_vendor(
    *, name: str, created_by: UUID, vat_id: str = "", email: str = "", address: str = ""
) -> Vendor:
    vendor = Vendor(name=name, vat_id=vat_id, email=email, address=address, created_by=created_by)
    vendor.save(force_insert=True)
    return vendor


@transaction.atomic
def change_vendor(
    *,
    vendor_id: UUID,
    name: str | None = None,
    vat_id: str | None = None,
    email: str | None = None,
    address: str | None = None,
    expected: Expected | None = None,
) -> Vendor:
    """Change what is given; None leaves a field as it is.

    Raises:
        VendorNotFoundError: this tenant has no such vendor.
        PreconditionFailedError: it is not the `expected` version.
    """
    vendor = selectors.get_vendor(vendor_id=vendor_id, for_update=True)
    require_expected(vendor, expected)
    given = {"name": name, "vat_id": vat_id, "email": email, "address": address}
    changed = {field: value for field, value in given.items() if value is not None}
    for field, value in changed.items():
        setattr(vendor, field, value)
    vendor.save(update_fields=list(changed))
    return vendor


@transaction.atomic
def delete_vendor(*, vendor_id: UUID, expected: Expected | None = None) -> None:
    """
    Raises:
        VendorNotFoundError: this tenant has no such vendor.
        PreconditionFailedError: it is not the `expected` version.
        VendorInUseError: there are invoices, drafts included.
    """
    vendor = selectors.get_vendor(vendor_id=vendor_id, for_update=True)
    require_expected(vendor, expected)
    if selectors.has_invoices(vendor_id=vendor_id):
        raise VendorInUseError
    vendor.delete()
