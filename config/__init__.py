"""Configuration. Importing it costs nothing: probes and the image's entrypoint do, many times an hour."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "celery_app":
        from config.celery import app

        return app
    raise AttributeError(name)
