from typing import Any

from celery import shared_task
from django.utils import timezone

from shared_apps.authn import services
from shared_apps.authn.impersonation import services as impersonation


@shared_task(name="authn.delete_expired_sessions")
def delete_expired_sessions(**_: Any) -> int:
    """Daily."""
    return services.delete_expired_sessions(at=timezone.now())


@shared_task(name="authn.close_impersonations")
def close_impersonations(**_: Any) -> int:
    """Every minute."""
    return impersonation.close_ended(at=timezone.now())
