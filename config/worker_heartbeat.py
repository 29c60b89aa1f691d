"""The heartbeat of Celery's workers: given by the loop that takes messages (docs/docker.md)."""

import threading
from typing import Any

from celery import bootsteps
from celery.signals import task_postrun, task_prerun
from django.conf import settings

from shared_apps.core.heartbeat import Heartbeat

_EVERY = 2.0  # seconds
_THE_BROKER = "the broker"


class WorkerHeartbeat(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery's types leave it out
    """Begins when a worker consumes and ends when its connection does."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        name = str(consumer.hostname).partition("@")[0]
        self._heartbeat = Heartbeat(settings.HEARTBEAT_DIR, "worker" if name == "celery" else name)
        self._entry: Any = None
        self._consuming = threading.Event()
        # In this process, which nothing else happens in meanwhile; other pools work elsewhere.
        if type(consumer.pool).__module__ == "celery.concurrency.solo":
            self._task: _InHand | None = _InHand(self._heartbeat)
        else:
            self._task = None

    def start(self, consumer: Any) -> None:
        if not settings.HEARTBEAT_DIR:
            return
        self._consuming.set()
        self._beat(consumer)
        self._entry = consumer.timer.call_repeatedly(_EVERY, self._beat, (consumer,))

    def stop(self, consumer: Any) -> None:
        """Also when the connection is lost: Celery then connects anew, for as long as it takes."""
        if self._entry is None:
            return
        self._entry.cancel()
        self._entry = None
        self._consuming.clear()
        threading.Thread(target=self._wait, args=(consumer.app,), daemon=True).start()

    def _beat(self, consumer: Any) -> None:
        if _takes_messages(consumer):
            self._heartbeat.works()

    def _wait(self, app: Any) -> None:
        """Until the worker consumes again. Silent where the broker answers and the worker does not come back."""
        while not self._consuming.wait(_EVERY):
            try:
                with app.connection_for_read() as connection:
                    connection.ensure_connection(max_retries=1, timeout=_EVERY)
            except Exception:  # whatever a client calls it
                self._heartbeat.waits(_THE_BROKER)


class _InHand:
    """A task of the solo pool stops the loop: until it ends, or has lasted too long, it is the work."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat
        self._done = threading.Event()
        task_prerun.connect(self._begin, weak=False)
        task_postrun.connect(self._end, weak=False)

    def _begin(self, **_: Any) -> None:
        self._done = threading.Event()
        threading.Thread(target=self._beat, args=(self._done,), daemon=True).start()

    def _end(self, **_: Any) -> None:
        self._done.set()

    def _beat(self, done: threading.Event) -> None:
        for _ in range(int(settings.CELERY_TASK_TIME_LIMIT / _EVERY)):
            self._heartbeat.works()
            if done.wait(_EVERY):
                return


def _takes_messages(consumer: Any) -> bool:
    """It waits for a message in Redis, or has as many as it can hold.

    A worker whose connection came back without that has been seen to sit idle for ever.
    """
    channel = consumer.task_consumer.channel
    # Of Redis' channels; others say nothing of it.
    return bool(getattr(channel, "_in_poll", True)) or not channel.qos.can_consume()
