"""Work of the provisioner: it has the auditor's login and the key of the anchors."""

import logging
from typing import Any

from celery import shared_task

from shared_apps.audit import services
from shared_apps.core.errors import AppError, explain

logger = logging.getLogger(__name__)


# The next one is due soon: one that cannot be taken is told, not tried again.
@shared_task(name="audit.take_anchor", ignore_result=True)
def take_anchor(**_: Any) -> None:
    """Take an anchor of all chains; a warning says which place does not have it."""
    try:
        taken = services.take_anchor()
    except AppError as error:
        logger.warning("No anchor was taken: %s", explain(error))
        return
    for place, reason in taken.failures.items():
        logger.error(
            "An anchor waits for a place that is away", extra={"place": place, "reason": reason}
        )
    for chain in taken.set_back:
        logger.error(
            "A chain ends before an end that was anchored",
            extra={
                "trail": str(chain.tenant_id),
                "anchored": chain.anchored,
                "ends": chain.sequence,
            },
        )
