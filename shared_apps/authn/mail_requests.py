"""Mails that anybody can ask for: so many from one network, the rest is passed over in silence.

The answer is the same whoever is asked for and whatever becomes of it, so that nobody learns by it who
has an account. All the work is done in the background, and so takes no time of the request's.
"""

import logging
from typing import Final

from shared_apps.authn import limits
from shared_apps.core import context
from shared_apps.core.queue import enqueue

logger = logging.getLogger(__name__)

RESET_TASK: Final = "authn.mail_password_reset"
REGISTRATION_TASK: Final = "authn.mail_registration"
MOST_PER_NETWORK: Final = 20
PER_SECONDS: Final = 10 * 60
_LONGEST_ADDRESS = 254


def ask_for(task: str, *, email: str, ip: str | None) -> None:
    """In the context of whose host was asked.

    Raises:
        BackendUnavailableError: nobody knows how many there were.
    """
    if not limits.may_ask(
        task, tenant_id=context.tenant_id(), address=ip, most=MOST_PER_NETWORK, seconds=PER_SECONDS
    ):
        logger.warning("Too many mails were asked for from one network: %s", task)
        return
    enqueue(task, email=email[:_LONGEST_ADDRESS])
