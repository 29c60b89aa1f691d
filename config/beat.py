"""Celery's own schedule in a file, with a heartbeat."""

from typing import Any

from celery.beat import PersistentScheduler
from django.conf import settings

from shared_apps.core.heartbeat import Heartbeat


class Scheduler(PersistentScheduler):
    def __init__(self, *args: Any, **options: Any) -> None:
        self._heartbeat = Heartbeat("" if options.get("lazy") else settings.HEARTBEAT_DIR, "beat")
        self._could_send = True
        super().__init__(*args, **options)

    def tick(self, *args: Any, **options: Any) -> Any:
        pause = super().tick(*args, **options)
        if self._could_send:
            self._heartbeat.works()
        else:
            self._heartbeat.waits("the broker")
        return pause

    def apply_async(self, *args: Any, **options: Any) -> Any:
        self._could_send = False
        sent = super().apply_async(*args, **options)
        self._could_send = True
        return sent
