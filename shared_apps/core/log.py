"""Puts on whose behalf, for which request and in which task on every log record."""

import logging

from shared_apps.core import attribution, context

# C0 controls, DEL and C1 controls: a name sent by a client must not start a new line in a log.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


class ContextFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        scope = context.current()
        match scope:
            case context.TenantIdentity():
                record.tenant = scope.slug
            case context.OperatorScope():
                record.tenant = "-operator-"
            case context.CrossTenantScope():
                record.tenant = "-portfolio-"
            case None:
                record.tenant = "-"
        who = attribution.current()
        record.request_id = who.request_id or "-"
        record.task_id = who.task_id or "-"
        if isinstance(record.msg, str):
            record.msg = record.getMessage().translate(_CONTROL)
            record.args = None
        return True
