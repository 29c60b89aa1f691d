"""Nightly checks of the books."""

import logging
from typing import Any

from celery import shared_task

from shared_apps.core import context
from shared_apps.core.queue import enqueue
from shared_apps.tenants.selectors import list_active_tenants
from tenant_apps.invoicing import books

logger = logging.getLogger(__name__)


@shared_task(name="invoicing.check_books")
def check_books(**_: Any) -> dict[str, int]:
    """One tenant's books. Every finding is an ERROR: somebody went past the triggers."""
    report = books.check_books()
    for finding in report.findings:
        logger.error("Books: %s: %s", finding.subject, finding.problem)
    return {"invoices": report.invoices, "findings": len(report.findings)}


@shared_task(name="invoicing.check_books_of_all")
def check_books_of_all(**_: Any) -> dict[str, int]:
    """Send every active tenant's check on its way, each in that tenant's context."""
    enqueued = failed = 0
    for tenant in list_active_tenants():
        try:
            with context.tenant(tenant.identity):
                enqueue("invoicing.check_books")
            enqueued += 1
        except Exception:  # whatever it is, it must not keep the next tenant's check from running
            logger.exception("The check of a tenant's books could not be sent: %s", tenant.slug)
            failed += 1
    return {"enqueued": enqueued, "failed": failed}
