"""Keep programs running: log their output, start one that dies again, stop all in order.

Nothing here outlives the supervisor: every child asks the kernel to be killed with it.
"""

import selectors
import time
from collections.abc import Callable

from scripts.stack.errors import StackError
from scripts.stack.supervised import Supervised

# A program that lived this long has recovered.
_STABLE_SECONDS = 60.0
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 30.0
_DEATHS_BEFORE_GIVING_UP = 6


class Supervisor:
    """Runs in one thread; `report` gets a line for whoever watches."""

    def __init__(self, *, report: Callable[[str], None]) -> None:
        self._report = report
        self._selector = selectors.DefaultSelector()
        self._children: list[Supervised] = []

    def start(self, child: Supervised) -> None:
        """Start a program and look after it from now on."""
        self._children.append(child)
        child.launch()
        self._watch(child)

    def wait_until(self, condition: Callable[[], bool], *, seconds: float) -> None:
        """Serve the programs until they are all ready and the condition holds.

        Raises:
            StackError: one died, or time is up. Nothing is restarted meanwhile: a program that
                fails at its first start will fail again.
        """
        deadline = time.monotonic() + seconds
        while not (all(child.is_ready() for child in self._children) and condition()):
            self._read_output(0.1)
            for child in self._children:
                if child.has_ended():
                    raise StackError(
                        f"{child.name} does not start; see {child.log}",
                        details=child.last_lines(),
                    )
            if time.monotonic() > deadline:
                waiting = [child for child in self._children if not child.is_ready()]
                slow = waiting[0] if waiting else self._children[0]
                names = ", ".join(child.name for child in waiting) or "The system"
                raise StackError(
                    f"{names} not ready after {seconds:.0f} s; see {slow.log}",
                    details=slow.last_lines(),
                )

    def run(self) -> None:
        """Serve for ever.

        Raises:
            StackError: a program keeps dying.
        """
        while True:
            self._read_output(0.5)
            for child in self._children:
                self._look_after(child)

    def stop(self) -> None:
        """Stop all, the last started first; each within its own limit."""
        for child in reversed(self._children):
            child.request_stop()
            while not child.has_stopped():
                self._read_output(0.05)
            self._unwatch(child)
            child.close()
        self._children.clear()

    def _look_after(self, child: Supervised) -> None:
        if child.restart_at is not None:
            if time.monotonic() >= child.restart_at:
                child.restart_at = None
                child.launch()
                self._watch(child)
            return
        if not child.has_ended():
            return
        self._unwatch(child)
        lived = time.monotonic() - child.started_at
        child.deaths = 1 if lived > _STABLE_SECONDS else child.deaths + 1
        if child.deaths >= _DEATHS_BEFORE_GIVING_UP:
            raise StackError(
                f"{child.name} has died {child.deaths} times in a row; giving up, see {child.log}",
                details=child.last_lines(),
            )
        delay = min(_FIRST_DELAY * 2 ** (child.deaths - 1), _LONGEST_DELAY)
        child.restart_at = time.monotonic() + delay
        self._report(
            f"{child.name} {child.how_it_ended()} after {lived:.0f} s;"
            f" starting it again in {delay:.0f} s (log: {child.log})"
        )

    def _watch(self, child: Supervised) -> None:
        if child.output is not None:
            self._selector.register(child.output, selectors.EVENT_READ, child)

    def _unwatch(self, child: Supervised) -> None:
        if child.output is not None and child.output in self._selector.get_map():
            self._selector.unregister(child.output)

    def _read_output(self, seconds: float) -> None:
        if not self._selector.get_map():
            time.sleep(seconds)
        for key, _ in self._selector.select(seconds):
            if not key.data.read_output():  # The program has closed it.
                self._selector.unregister(key.fileobj)
