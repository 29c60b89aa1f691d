"""Leave a server alone for a moment that did not answer: one tries it then, and the others do not wait.

Of one process and without asking anybody, so for what `CircuitBreaker` itself relies on: Redis.
"""

import threading
import time
from collections.abc import Callable

PAUSE_SECONDS = 2.0


class LeavingAlone:
    """`clock` is in seconds."""

    def __init__(
        self, *, pause: float = PAUSE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._try_at: float | None = None
        """When it is asked again; None: it answers."""

    def may_ask(self) -> bool:
        if self._try_at is None:
            return True
        with self._lock:
            if self._try_at is not None and self._clock() < self._try_at:
                return False
            # This one asks; until it knows, the others do not.
            self._try_at = self._clock() + self._pause
            return True

    def failed(self) -> bool:
        """Whether this is news."""
        with self._lock:
            is_new, self._try_at = self._try_at is None, self._clock() + self._pause
            return is_new

    def answered(self) -> bool:
        """Whether this is news. Costs nothing where nothing had failed."""
        if self._try_at is None:
            return False
        with self._lock:
            is_new, self._try_at = self._try_at is not None, None
            return is_new
