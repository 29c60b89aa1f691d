"""A worker without tasks."""

import os

from celery import Celery

app = Celery("product", broker=os.environ["CELERY_BROKER_URL"])
