"""How far an apply is: a line that rewrites itself on a terminal, a line per tenant elsewhere."""

import time

from shared_apps.onboarding.actions.base import Output
from shared_apps.onboarding.actions.rendering import outcome_line
from shared_apps.onboarding.provisioning.applying import Outcome

_WIDTH = 24


class Progress:
    def __init__(self, output: Output, *, total: int) -> None:
        self._output = output
        self._total = total
        self._started = time.monotonic()

    def show(self, outcome: Outcome, done: int) -> None:
        if not self._output.isatty():
            self._output.write(f"[{done}/{self._total}] {outcome_line(outcome)}")
            return
        if outcome.error:
            self._output.write(f"\r\033[K{outcome_line(outcome)}")
        rate = done / max(time.monotonic() - self._started, 0.001)
        left = (self._total - done) / rate
        bar = "#" * (_WIDTH * done // self._total)
        text = f"[{bar:<{_WIDTH}}] {done}/{self._total}  {rate:.1f}/s  {left:.0f} s left"
        self._output.write(f"\r\033[K{text}  {outcome.slug}", ending="")
        if done == self._total:
            self._output.write("")
        self._output.flush()
