"""How far a run is, on standard error: a bar on a terminal, a line every few seconds elsewhere."""

import time

from django.core.management.base import OutputWrapper

_WIDTH = 24
_EVERY = 5.0  # seconds between lines where nobody watches


class Progress:
    """Fed with what is done of all; `unit` says what is counted: "tenants"."""

    def __init__(self, stream: OutputWrapper, *, unit: str) -> None:
        self._stream = stream
        self._unit = unit
        self._is_terminal = stream.isatty()
        self._started = self._said = time.monotonic()
        self._failed = 0

    def advance(self, done: int, total: int, *, is_failure: bool = False) -> None:
        self._failed += is_failure
        now = time.monotonic()
        if self._is_terminal:
            filled = _WIDTH * done // total
            bar = "█" * filled + "·" * (_WIDTH - filled)
            end = "\n" if done == total else ""
            self._stream.write(f"\r\x1b[K{bar} {self._describe(done, total, now)}", ending=end)
            self._stream.flush()
        elif now - self._said >= _EVERY:
            self._said = now
            self._stream.write(self._describe(done, total, now))
            self._stream.flush()

    def interrupt(self) -> None:
        """Something else is about to be printed."""
        if self._is_terminal:
            self._stream.write("\r\x1b[K", ending="")

    def _describe(self, done: int, total: int, now: float) -> str:
        seconds = max(now - self._started, 0.001)
        rate = done / seconds
        failed = f", {self._failed} failed" if self._failed else ""
        return (
            f"{done}/{total} {self._unit}, {rate:.1f}/s, {(total - done) / rate:.0f} s left{failed}"
        )
