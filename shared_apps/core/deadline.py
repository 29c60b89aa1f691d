"""Ask something that may hang, and wait for the answer so long and no longer."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections


class DeadlineError(Exception):
    """No answer in time."""


class Asked:
    """A question on its way."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._outcome: list[Any] = []
        self._failure: list[BaseException] = []
        # A new thread has no context: it is asked on nobody's behalf.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def is_open(self) -> bool:
        return self._thread.is_alive()

    def answer(self, *, seconds: float) -> Any:
        """Raises DeadlineError: there was none in time; or whatever the question raised."""
        self._thread.join(seconds)
        if self._failure:
            raise self._failure[0]
        if not self._outcome:
            raise DeadlineError
        return self._outcome[0]

    def _run(self) -> None:
        try:
            self._outcome.append(self._ask())
        except BaseException as error:  # it is raised where the answer is waited for
            self._failure.append(error)
        finally:
            connections.close_all()


class Inquiry:
    """One question that is asked again and again, and never twice at a time.

    A server that takes connections and says nothing holds one thread, not one for each time of asking.
    """

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asked: Asked | None = None

    def begin(self) -> Asked:
        """Ask, or wait with whoever asked before and has no answer yet."""
        with self._lock:
            if self._asked is None or not self._asked.is_open():
                self._asked = Asked(self._ask)
            return self._asked
