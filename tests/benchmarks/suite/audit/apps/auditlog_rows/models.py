from auditlog.registry import auditlog

from tests.benchmarks.suite.audit.row import Row


class Registered(Row):
    """Recorded by signals."""


auditlog.register(Registered)
