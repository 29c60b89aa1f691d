"""A line of JSON for each message that is sent to PostgreSQL on somebody's behalf.

For finding out what a tenant's requests cost. Best effort: a line that cannot be written is missing, and the
statement is not concerned. What must not be missing is in the audit trail.
"""

import json
import logging
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from django.conf import settings

from shared_apps.core import attribution, context, route
from shared_apps.core.limits import QueryLogMode
from shared_apps.core.log import name_of
from shared_apps.tenants.database.masking import without_values

LOGGER = "freehold.queries"
_logger = logging.getLogger(LOGGER)

# A line is written to the file at once, so that the lines of several processes do not mix.
_LONGEST_TEXT = 2000
_LONGEST_VALUES = 1000
# What is of no request and no task is of this process.
_PROCESS = uuid4().hex


def threshold() -> float | None:
    """From how many milliseconds on a message of the present context is logged; None: none is."""
    scope = context.current()
    mode = scope.limits.query_log if isinstance(scope, context.TenantIdentity) else None
    match mode or settings.QUERY_LOG_MODE:
        case QueryLogMode.OFF:
            return None
        case QueryLogMode.SLOW:
            return float(settings.QUERY_LOG_SLOW_MS)
        case QueryLogMode.SAMPLED:
            return 0.0 if _is_sampled() else None
        case _:
            return 0.0


def _is_sampled() -> bool:
    """The same for all statements of a request, and of the tasks that it sends."""
    who = attribution.current()
    key = who.request_id or who.task_id or _PROCESS
    return bool(zlib.crc32(key.encode()) % 100_000 < settings.QUERY_LOG_SAMPLE_PERCENT * 1000)


class Watch:
    """The block in which one message is sent and answered."""

    __slots__ = ("_alias", "_least", "_rows", "_start", "_text", "_values", "times")

    def __init__(
        self, text: str, *, alias: str, least: float, values: Any = None,
        rows: Callable[[], int] | None = None,
    ) -> None:  # fmt: skip
        self._text, self._alias, self._least = text, alias, least
        self._values, self._rows = values, rows
        self._start = 0
        self.times = 1
        """How often the statement is executed: more than once by `executemany`."""

    def __enter__(self) -> Self:
        self._start = perf_counter_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        duration = (perf_counter_ns() - self._start) // 1000 / 1000
        if duration >= self._least and (self.times or error):
            self._write(duration, kind)

    def _write(self, duration: float, error: type[BaseException] | None) -> None:
        who, scope = attribution.current(), context.current()
        rows = self._rows() if self._rows and error is None else -1
        line: dict[str, Any] = {
            "ts": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "tenant": name_of(scope),
            "request_id": who.request_id,
            "task_id": who.task_id,
            "user_id": str(who.user_id) if who.user_id else None,
            "route": route.current() or who.system,
            "alias": self._alias,
            "duration_ms": duration,
            "rows": rows if rows >= 0 else None,
            "times": self.times,
            "sql": self._shown(),
            # The kind alone: PostgreSQL's messages quote values.
            "error": error.__name__ if error else None,
        }
        if settings.QUERY_LOG_VALUES and self._values is not None:
            line["values"] = repr(self._values)[:_LONGEST_VALUES]
        _logger.info("%s", json.dumps(line))

    def _shown(self) -> str:
        # Longer texts are cut first; a value that is cut in two is masked to the end.
        text = self._text[: 2 * _LONGEST_TEXT]
        return (text if settings.QUERY_LOG_VALUES else without_values(text))[:_LONGEST_TEXT]
