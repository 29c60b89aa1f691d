"""From a log record of whatever logger to one line: JSON for machines, or text for people.

One chain for all of them, the standard library's loggers and structlog's own: Django, Celery, gunicorn,
psycopg. Both forms say the same and neither lets a value start a line of its own.
"""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from shared_apps.core.log import CONTROL, NAMES_OF_CONTEXT
from shared_apps.core.redaction import in_text, redact

JSON, TEXT = "json", "text"
FORMATS = (JSON, TEXT)

# Ours, and no value can hold a secret: they are not searched.
_SAFE = frozenset({"timestamp", "level", "logger", "request_id", "task_id", "user_id", "tenant"})
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(structlog.stdlib.ProcessorFormatter):
    """LOGGING's formatter; `form` is one of `FORMATS`."""

    def __init__(self, form: str = JSON) -> None:
        super().__init__(
            processors=[
                _fields_of_record,
                _error_as_fields,
                _redacted,
                structlog.processors.JSONRenderer() if form == JSON else _as_text,
            ]
        )

    def format(self, record: logging.LogRecord) -> str:
        try:
            record.getMessage()
        except (TypeError, ValueError, KeyError):
            # logging would print the arguments as they are.
            record.args = None
        return super().format(record)


def use_structlog() -> None:
    """`structlog.get_logger(__name__).info("What happened", invoice_id=…)` goes the same way."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _fields_of_record(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event.pop("_record")
    is_own = not event.pop("_from_structlog")
    message = event.pop("event", "")
    named: EventDict = {
        "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": str(message),
    }
    for field in NAMES_OF_CONTEXT:
        value = getattr(record, field, None)
        if value not in (None, "-"):
            named[field] = value
    if is_own:
        named["exc_info"] = event.get("exc_info")
        event = {
            field: value
            for field, value in vars(record).items()
            if field not in _USUAL and field not in NAMES_OF_CONTEXT and field[0] != "_"
        }
    if record.name.startswith("celery."):
        # The arguments and the result of a task, in no form of ours.
        event.pop("data", None)
    if record.name.startswith("django."):
        # Its text has the values of the query string; method, path and status are there anyway.
        event.pop("request", None)
    # What a caller names as one of ours would hide the truth.
    return {**named, **event, **named}


def _error_as_fields(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    if isinstance(raised, BaseException):
        raised = (type(raised), raised, raised.__traceback__)
    if not raised or raised[1] is None:
        return event
    kind, error, _ = raised
    event["error"] = str(error)
    event["error_type"] = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    event["traceback"] = "".join(traceback.format_exception(*raised)).rstrip()
    return event


def _redacted(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    return {
        field: value
        if field in _SAFE
        else in_text(value)
        if field == "message"
        else redact(field, value)
        for field, value in event.items()
    }


def _as_text(logger: WrappedLogger, name: str, event: EventDict) -> str:
    """`time LEVEL logger tenant=… request=… task=… message field=… | traceback`."""
    shown = event.pop("traceback", None)
    head = (
        f"{event.pop('timestamp')} {event.pop('level').upper()} {event.pop('logger')}"
        f" tenant={event.pop('tenant', '-')} request={event.pop('request_id', '-')}"
        f" task={event.pop('task_id', '-')} {event.pop('message')}"
    )
    for field in (*NAMES_OF_CONTEXT, "error", "error_type"):
        event.pop(field, None)
    rest = "".join(f" {field}={_plain(value)}" for field, value in sorted(event.items()))
    line = (head + rest).translate(CONTROL)
    if shown:
        # Indented: nothing of an error's text begins as a line of the log does.
        line += "".join(f"\n    {part.translate(CONTROL)}" for part in shown.splitlines())
    return line


def _plain(value: Any) -> str:
    text = str(value)
    return repr(text) if " " in text else text
