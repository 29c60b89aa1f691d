from typing import Any

from celery import shared_task
from django.utils import timezone

from shared_apps.authn import mail_requests, password_resetting, registering, tickets
from shared_apps.authn.errors import RegistrationClosedError
from shared_apps.authn.impersonation import services as impersonation
from shared_apps.authn.services import ending
from shared_apps.core import context


@shared_task(name="authn.delete_expired_sessions")
def delete_expired_sessions(**_: Any) -> int:
    """Daily; tickets too."""
    tickets.delete_expired(at=timezone.now())
    return ending.delete_expired_sessions(at=timezone.now())


@shared_task(name="authn.close_impersonations")
def close_impersonations(**_: Any) -> int:
    """Every minute."""
    return impersonation.close_ended(at=timezone.now())


@shared_task(name=mail_requests.RESET_TASK)
def mail_password_reset(*, email: str, **_: Any) -> None:
    """Sent for every address that is typed in, known or not."""
    password_resetting.mail_reset(tenant_id=context.tenant_id(), email=email, at=timezone.now())


@shared_task(name=mail_requests.REGISTRATION_TASK)
def mail_registration(*, email: str, **_: Any) -> None:
    tenant_id = context.require_tenant().id
    try:
        registering.mail_confirmation(tenant_id=tenant_id, email=email, at=timezone.now())
    except RegistrationClosedError:
        return  # since it was asked for
