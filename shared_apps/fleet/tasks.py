"""Work of the provisioner, the one worker that is given the migration login."""

import logging
from typing import Any

from celery import shared_task
from django.conf import settings

from shared_apps.core.errors import AppError
from shared_apps.core.queue import enqueue
from shared_apps.fleet import services
from shared_apps.fleet.spares import filling

logger = logging.getLogger(__name__)


# Nobody asks for the result. Whoever sends a task that has one waits for Redis when it is down.
@shared_task(name=services.FILL_TASK, expires=10 * 60, ignore_result=True)
def fill_spares(**_: Any) -> int:
    """Bring the pool one schema nearer to its target, then ask again: tenants that were asked for go between."""
    try:
        progress = filling.step(settings.SPARE_SCHEMAS)
    except AppError as error:
        logger.warning("No spare schemas are made: %s", error.text)
        return 0
    if progress.left:
        enqueue(services.FILL_TASK)
    return progress.left
