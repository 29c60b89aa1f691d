"""Puts on whose behalf, for which request and in which task on every log record."""

import logging
from logging.handlers import WatchedFileHandler

from shared_apps.core import attribution, context, exchange, route

# C0 controls, DEL, C1 controls, and what else ends a line for some reader: a name sent by a client must not
# start a new line in a log.
CONTROL = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
}

# In the order in which a line has them.
NAMES_OF_CONTEXT = ("tenant", "user_id", "request_id", "task_id", "method", "path", "route")


def name_of(scope: context.Scope | None) -> str:
    """What stands for a context in a log."""
    match scope:
        case context.TenantIdentity():
            return scope.slug
        case context.OperatorScope():
            return "-operator-"
        case context.CrossTenantScope():
            return "-portfolio-"
        case None:
            return "-"


class QueryLogFile(WatchedFileHandler):
    """A file that may be moved away at any time. Where it cannot be written, lines are lost and nothing else."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)


class ContextFilter(logging.Filter):
    """Handlers write a record where it is made, so what is current is its own.

    A field that the record has already is kept: code that logs for somebody whose context it has left
    says so itself (access_log.py).
    """

    def filter(self, record: logging.LogRecord) -> bool:
        who, request, fields = attribution.current(), exchange.current(), vars(record)
        fields.setdefault("tenant", name_of(context.current()))
        fields.setdefault("user_id", str(who.user_id) if who.user_id else None)
        fields.setdefault("request_id", who.request_id or "-")
        # Celery's own formatters set it to None.
        fields["task_id"] = who.task_id or fields.get("task_id") or "-"
        fields.setdefault("route", route.current() or who.system)
        if request is not None:
            fields.setdefault("method", request.method)
            fields.setdefault("path", request.path)
        return True
