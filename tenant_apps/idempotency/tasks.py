from typing import Any

from celery import shared_task
from django.utils import timezone

from tenant_apps.idempotency import services


@shared_task(name="idempotency.delete_forgotten")
def delete_forgotten(**_: Any) -> int:
    """One tenant's answers that are kept no longer."""
    return services.delete_forgotten(at=timezone.now())
