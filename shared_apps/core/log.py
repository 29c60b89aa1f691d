"""Puts on whose behalf, for which request and in which task on every log record."""

import logging
from logging.handlers import WatchedFileHandler

from shared_apps.core import attribution, context

# C0 controls, DEL and C1 controls: a name sent by a client must not start a new line in a log.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


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
    def filter(self, record: logging.LogRecord) -> bool:
        record.tenant = name_of(context.current())
        who = attribution.current()
        record.request_id = who.request_id or "-"
        record.task_id = who.task_id or "-"
        if isinstance(record.msg, str):
            record.msg = record.getMessage().translate(_CONTROL)
            record.args = None
        return True
