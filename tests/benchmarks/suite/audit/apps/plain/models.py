from tests.benchmarks.suite.audit.row import Row


class Plain(Row):
    """Nothing is recorded of it."""
