"""Lines for the person who watches: one per step, with the time it took."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


class Console:
    """Gives each finished line to a function."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit

    def line(self, text: str) -> None:
        self._emit(text)

    def show(self, text: str) -> None:
        """Show for the moment what is going on, where there is a screen to show it on."""

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Time a step; the yielded function shows what it is at."""
        started = time.monotonic()
        self.show(f"{title} ...")
        yield lambda text: self.show(f"{title} ... {text}")
        self.line(f"{title:<22}{time.monotonic() - started:6.1f} s")


class Terminal(Console):
    """A screen, whose last line may still change."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(self._print)
        self._stream = stream
        self._shown = ""

    def show(self, text: str) -> None:
        width = os.get_terminal_size(self._stream.fileno()).columns
        self._shown = text[: max(width - 1, 20)]
        self._stream.write(f"\r\033[K{self._shown}")
        self._stream.flush()

    def _print(self, text: str) -> None:
        erase = "\r\033[K" if self._shown else ""
        self._shown = ""
        self._stream.write(f"{erase}{text}\n")
        self._stream.flush()


def for_people(*, json: bool) -> Console:
    """Where JSON is asked for, standard output is for that alone."""
    stream = sys.stderr if json else sys.stdout
    if stream.isatty():
        return Terminal(stream)
    return Console(lambda text: print(text, file=stream, flush=True))
