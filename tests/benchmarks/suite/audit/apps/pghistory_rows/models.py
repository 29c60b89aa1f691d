import pghistory

from tests.benchmarks.suite.audit.row import Row


@pghistory.track()
class Tracked(Row):
    """Recorded by triggers for each row, as its documentation begins."""
