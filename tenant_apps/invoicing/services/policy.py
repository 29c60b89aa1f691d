"""How a tenant invoices."""

from django.db import transaction

from tenant_apps.invoicing.choices import VatRounding
from tenant_apps.invoicing.models import InvoicingPolicy


@transaction.atomic
def change_policy(
    *,
    vat_rounding: VatRounding | None = None,
    default_currency: str | None = None,
    payment_terms_days: int | None = None,
) -> InvoicingPolicy:
    """Change what is given, for invoices made or issued from now on; None leaves a field as it is."""
    # Two at once for the first time: the second waits here and then finds the first one's row.
    InvoicingPolicy.objects.bulk_create([InvoicingPolicy()], ignore_conflicts=True)
    policy = InvoicingPolicy.objects.select_for_update().get()
    given = {
        "vat_rounding": vat_rounding,
        "default_currency": default_currency,
        "payment_terms_days": payment_terms_days,
    }
    changed = {field: value for field, value in given.items() if value is not None}
    for field, value in changed.items():
        setattr(policy, field, value)
    policy.save(update_fields=list(changed))
    return policy
