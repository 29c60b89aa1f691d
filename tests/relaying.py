"""A relay at work while something else runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from shared_apps.audit.relay import Relay


@contextmanager
def running_relay() -> Iterator[None]:
    relay = Relay(
        source_url=settings.RELAY_DATABASE_URL,
        target_url=settings.AUDIT_DATABASE_URL,
        redis_url=settings.REDIS_URL,
    )
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        yield
    finally:
        relay.stop()
        thread.join()
