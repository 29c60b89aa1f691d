from simple_history.models import HistoricalRecords

from tests.benchmarks.suite.audit.row import Row


class Historical(Row):
    """Recorded by signals into a table of its own."""

    history = HistoricalRecords()
