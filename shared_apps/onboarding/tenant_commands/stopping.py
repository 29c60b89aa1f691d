"""Ctrl-C and SIGTERM, counted instead of obeyed at once."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Within the block the first signal asks to begin nothing more, the second to end what is at work.

    Only in the main thread of a process.
    """

    def __init__(self) -> None:
        self._count = 0
        self._before: dict[int, Any] = {}
        self.is_asked = False

    @property
    def is_urgent(self) -> bool:
        return self._count > 1

    def ask(self) -> None:
        self.is_asked = True

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        self.is_asked = True
