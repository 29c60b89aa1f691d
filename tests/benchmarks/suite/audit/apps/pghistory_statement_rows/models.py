import pghistory
import pgtrigger

from tests.benchmarks.suite.audit.row import Row


@pghistory.track(level=pgtrigger.Statement)
class TrackedByStatement(Row):
    """Recorded by triggers for each statement, as its page on performance advises."""
