"""gunicorn's own settings: `gunicorn -c python:config.gunicorn config.asgi:application`."""

import logging.config
import os

from django.conf import settings
from gunicorn import glogging
from gunicorn.config import Config
from gunicorn.workers.base import Worker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

worker_class = "asgi"
# It would lie in a directory that all installations of a user share.
control_socket_disable = True
# Whom X-Forwarded-Proto is believed of, TRUSTED_PROXIES alone says.
forwarded_allow_ips = ""


def post_worker_init(worker: Worker) -> None:
    """In the worker, after Django's set-up: Prometheus is answered from there."""
    from shared_apps.core.metrics import listener

    listener.start()


class PipelineLogger(glogging.Logger):
    """Hands what gunicorn says to the product's own handler, instead of writing it in a form of its own."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)  # type: ignore[no-untyped-call]  # gunicorn has no types
        logging.config.dictConfig(settings.LOGGING)
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
            logger.propagate = True
        # The product writes a line for each request itself, and knows whose it is.
        self.access_log.disabled = True


logger_class = PipelineLogger
