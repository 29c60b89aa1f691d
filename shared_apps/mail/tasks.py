import logging
from typing import Any

from celery import shared_task
from django.utils import timezone

from shared_apps.mail import delivery, services
from shared_apps.mail.errors import MailNotConfiguredError

logger = logging.getLogger(__name__)


@shared_task(name=services.DELIVER_TASK)
def deliver_due(**_: Any) -> int:
    """At once after a mail was posted, and every minute."""
    try:
        return delivery.deliver_due(clock=timezone.now).sent
    except MailNotConfiguredError:
        # `manage.py doctor` says so while something waits.
        return 0


@shared_task(name="mail.delete_old_mail")
def delete_old_mail(**_: Any) -> int:
    """Daily."""
    return services.delete_old_mail(at=timezone.now())
