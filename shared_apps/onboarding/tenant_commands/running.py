"""The processes of several tenants: begun in order, `jobs` at a time, their output read line by line."""

import multiprocessing
import os
import re
import selectors
import signal
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkProcess

from django.db import connections

from shared_apps.onboarding.tenant_commands.child import Job, Pipes, work
from shared_apps.onboarding.tenant_commands.commands import TenantCommand
from shared_apps.onboarding.tenant_commands.stopping import Stop
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant

STDOUT, STDERR = "stdout", "stderr"
_PORTION = 1 << 16
_PATIENCE = 1.0  # seconds between two looks at whether to stop
_LONGEST_REASON = 500
# How a traceback ends; what PostgreSQL says goes on for some lines.
_ERROR = re.compile(r"[\w.]*(?:Error|Exception)\w*: ")


@dataclass(frozen=True, slots=True)
class Outcome:
    slug: str
    exit_code: int
    """Negative: the number of the signal that ended it."""
    seconds: float
    reason: str
    """Why it failed: the error that it ended with, or the last line that it said."""


@dataclass(frozen=True, slots=True)
class Result:
    run_id: str
    outcomes: tuple[Outcome, ...]
    not_begun: tuple[str, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.exit_code)


@dataclass(frozen=True, slots=True)
class Options:
    states: Collection[TenantState]
    jobs: int = 1
    stops_on_failure: bool = False


OnLine = Callable[[str, str, str], None]
"""Slug, stream, a line without its end."""
OnDone = Callable[[Outcome, int], None]


def run_for_all(
    tenants: Sequence[Tenant],
    command: TenantCommand,
    *,
    options: Options,
    on_line: OnLine,
    on_done: OnDone,
) -> Result:
    """Run a command for each tenant; one that fails does not keep the others from it."""
    run_id = uuid.uuid4().hex
    waiting = deque(
        Job(tenant.id, tenant.slug, command, options.states, run_id) for tenant in tenants
    )
    running: set[_Child] = set()
    outcomes: list[Outcome] = []
    _forget_connections()
    with Stop() as stop, selectors.DefaultSelector() as selector:
        while running or (waiting and not stop.is_asked):
            while waiting and len(running) < options.jobs and not stop.is_asked:
                running.add(_Child.begin(waiting.popleft(), selector))
            for key, _ in selector.select(_PATIENCE):
                child: _Child = key.data
                if child not in running:
                    continue  # it has ended in this round
                child.read(key.fd, on_line)
                if key.fd == child.process.sentinel:
                    running.discard(child)
                    outcomes.append(child.end(on_line))
                    on_done(outcomes[-1], len(outcomes))
                    if outcomes[-1].exit_code and options.stops_on_failure:
                        stop.ask()
            if stop.is_urgent:
                for child in running:
                    child.terminate()
    return Result(run_id, tuple(outcomes), tuple(job.slug for job in waiting))


def run_for_one(tenant: Tenant, command: TenantCommand, *, states: Collection[TenantState]) -> int:
    """Run a command for one tenant at this terminal; its exit code."""
    job = Job(tenant.id, tenant.slug, command, states, uuid.uuid4().hex)
    _forget_connections()
    stdin = os.dup(0)
    try:
        # Ctrl-C is the command's, which belongs to this terminal.
        with Stop():
            process = _process(job, None, stdin)
            process.start()
            process.join()
    finally:
        os.close(stdin)
    return process.exitcode or 0


def _process(job: Job, pipes: Pipes | None, stdin: int | None) -> ForkProcess:
    # What is in the buffers would be written by both.
    sys.stdout.flush()
    sys.stderr.flush()
    return multiprocessing.get_context("fork").Process(target=work, args=(job, pipes, stdin))


def _forget_connections() -> None:
    """Two processes must not talk over one connection."""
    connections.close_all()
    for connection in connections.all(initialized_only=True):
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's


@dataclass(eq=False, slots=True)
class _Child:
    job: Job
    process: ForkProcess
    selector: selectors.BaseSelector
    streams: dict[int, str]
    """Those that are open."""
    started: float = field(default_factory=time.monotonic)
    rests: dict[int, bytes] = field(default_factory=dict)
    last_words: str = ""
    last_error: str = ""

    @classmethod
    def begin(cls, job: Job, selector: selectors.BaseSelector) -> "_Child":
        out, err = os.pipe(), os.pipe()
        process = _process(job, Pipes(out[1], err[1]), None)
        process.start()
        for descriptor in (out[1], err[1]):
            os.close(descriptor)
        child = cls(job, process, selector, {out[0]: STDOUT, err[0]: STDERR})
        for descriptor in child.streams:
            os.set_blocking(descriptor, False)
            selector.register(descriptor, selectors.EVENT_READ, child)
        selector.register(process.sentinel, selectors.EVENT_READ, child)
        return child

    def read(self, descriptor: int, on_line: OnLine) -> bool:
        """What is there; whether more may be."""
        if descriptor not in self.streams:
            return False
        try:
            data = os.read(descriptor, _PORTION)
        except BlockingIOError:
            return False
        *lines, rest = (self.rests.pop(descriptor, b"") + data).split(b"\n")
        if not data or len(rest) > _PORTION:
            lines, rest = [*lines, rest] if rest else lines, b""
        self.rests[descriptor] = rest
        for line in lines:
            self._tell(descriptor, line, on_line)
        if not data:
            self._close(descriptor)
        return bool(data)

    def _close(self, descriptor: int) -> None:
        self.selector.unregister(descriptor)
        os.close(descriptor)
        del self.streams[descriptor]

    def _tell(self, descriptor: int, line: bytes, on_line: OnLine) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        stream = self.streams[descriptor]
        if stream == STDERR and text.strip():
            self.last_words = text.strip()[:_LONGEST_REASON]
            if _ERROR.match(text):
                self.last_error = self.last_words
        on_line(self.job.slug, stream, text)

    def end(self, on_line: OnLine) -> Outcome:
        self.process.join()
        for descriptor in tuple(self.streams):
            # Not to its end: something that the command left running may hold it open.
            while self.read(descriptor, on_line):
                pass
            if rest := self.rests.pop(descriptor, b""):
                self._tell(descriptor, rest, on_line)
            if descriptor in self.streams:
                self._close(descriptor)
        self.selector.unregister(self.process.sentinel)
        code = self.process.exitcode or 0
        seconds = time.monotonic() - self.started
        self.process.close()
        return Outcome(self.job.slug, code, seconds, self._reason(code))

    def _reason(self, code: int) -> str:
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        return (self.last_error or self.last_words or f"exit code {code}") if code else ""

    def terminate(self) -> None:
        self.process.terminate()
