"""Results that are kept in Redis for those who may see the same, until what they were read from changes.

    SUMMARY = caching.declare("invoicing.summary", reads=("invoicing.Invoice", "invoicing.Vendor"))

    found = caching.remember(
        SUMMARY, tier=Tier.RESULTS, filters={"status": "DRAFT"}, permissions=signed_in.permissions,
        compute=lambda: list(selectors.summarize_invoices(…)),
    )

What is kept is the present context's; the permissions of whoever asks are part of its name. A write to one
of the models by the ORM is enough for it to be computed again (docs/caching.md).
"""

from shared_apps.core.caching.entities import Entity, declare
from shared_apps.core.caching.invalidation import invalidate
from shared_apps.core.caching.remembering import Found, remember
from shared_apps.core.caching.states import CacheState
from shared_apps.core.caching.tiers import Tier

__all__ = ["CacheState", "Entity", "Found", "Tier", "declare", "invalidate", "remember"]
