"""Where a benchmark is, for the person or the log file that watches."""

import time
from collections.abc import Callable

_SECONDS_BETWEEN_LINES = 20.0


class Progress:
    """Passes every step to `show`, which may overwrite the last one, and now and then one to `line`."""

    def __init__(
        self, name: str, *, show: Callable[[str], None], line: Callable[[str], None]
    ) -> None:
        self._name = name
        self._show = show
        self._line = line
        self._next_line_at = time.monotonic() + _SECONDS_BETWEEN_LINES

    def __call__(self, step: str) -> None:
        self._show(step)
        if time.monotonic() >= self._next_line_at:
            self._next_line_at += _SECONDS_BETWEEN_LINES
            self._line(f"{self._name}: {step}")
