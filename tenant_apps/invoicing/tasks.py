"""Nightly checks of the books."""

import logging
from typing import Any

from celery import shared_task

from tenant_apps.invoicing import books

logger = logging.getLogger(__name__)


@shared_task(name="invoicing.check_books")
def check_books(**_: Any) -> dict[str, int]:
    """One tenant's books. Every finding is an ERROR: somebody went past the triggers."""
    report = books.check_books()
    for finding in report.findings:
        logger.error("Books: %s: %s", finding.subject, finding.problem)
    return {"invoices": report.invoices, "findings": len(report.findings)}
