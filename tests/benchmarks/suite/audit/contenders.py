"""Who takes part in the writing: a worker each, in settings and a database of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.benchmarks.benchmark import Part

_HERE = "tests.benchmarks.suite.audit"


@dataclass(frozen=True, slots=True)
class Writer:
    name: str
    part: Part
    what: str
    target: str
    apps: tuple[str, ...] = ()
    """Of the peer; none for the product."""

    @property
    def environment(self) -> Mapping[str, str]:
        if not self.apps:
            return {"DJANGO_SETTINGS_MODULE": f"{_HERE}.settings.ours"}
        return {
            "DJANGO_SETTINGS_MODULE": f"{_HERE}.settings.peer",
            "PEER_APPS": ",".join(self.apps),
            "PEER_NAME": self.database,
        }

    @property
    def database(self) -> str:
        """Of its own, so that one's autovacuum and catalogue do not meet another's."""
        return "peer_" + self.apps[-1].rpartition(".")[2]


def _app(name: str) -> str:
    return f"{_HERE}.apps.{name}"


FLOOR = Writer(
    "no audit", Part.FLOOR, "plain Django", f"{_HERE}.peers:Plain", (_app("plain"),)
)  # fmt: skip
OURS = Writer(
    "ours", Part.OURS, "Auditable: person, request, old and new row", f"{_HERE}.ours:Audited"
)
UNAUDITED = Writer(
    "ours, no audit", Part.INFORMATION, "a tenant's table without triggers", f"{_HERE}.ours:Unaudited"
)  # fmt: skip
AUDITLOG = Writer(
    "django-auditlog",
    Part.PEER,
    "signals, set_actor(); bulk operations row by row, because it records none",
    f"{_HERE}.peers:Auditlog",
    ("auditlog", _app("auditlog_rows")),
)
HISTORY = Writer(
    "django-simple-history",
    Part.PEER,
    "signals, history_user; bulk operations by its own functions, because it records none",
    f"{_HERE}.peers:SimpleHistory",
    ("simple_history", _app("history_rows")),
)
PGHISTORY = Writer(
    "django-pghistory",
    Part.PEER,
    "row triggers, context(); the new row",
    f"{_HERE}.peers:PgHistory",
    ("pgtrigger", "pghistory", _app("pghistory_rows")),
)
PGHISTORY_STATEMENT = Writer(
    "django-pghistory, statement",
    Part.PEER,
    "statement triggers, context(); loses a changed primary key",
    f"{_HERE}.peers:PgHistoryByStatement",
    ("pgtrigger", "pghistory", _app("pghistory_statement_rows")),
)
ALL = (FLOOR, UNAUDITED, AUDITLOG, HISTORY, PGHISTORY, PGHISTORY_STATEMENT, OURS)
