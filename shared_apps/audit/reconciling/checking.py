"""One tenant after the other, one table after the other."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared_apps.audit import selectors, triggers
from shared_apps.audit.reconciling import comparing
from shared_apps.audit.reconciling.comparing import Difference, Digest, Kind
from shared_apps.audit.reconciling.live import Snapshot, snapshot
from shared_apps.audit.selectors import EntryFilter
from shared_apps.audit.triggers import AuditedTable

RESTORED = "tenants.restored"
"""What the trail of a tenant begins with whose rows came out of an archive, and were not recorded one by one."""
_REMEMBERED = 1000  # differences of a table that are named

Report = Callable[[int], None]
"""Records that have been compared since it was called last."""
_REPORT_EVERY = 500


@dataclass(frozen=True, slots=True)
class Subject:
    tenant_id: UUID
    slug: str
    schema: str


@dataclass(frozen=True, slots=True)
class TableResult:
    table: str
    rows: int
    digest: str
    """Of the rows, each with its key, in the order of the keys."""
    differences: tuple[Difference, ...]
    count: int
    """Of all differences, also those that are not named."""
    unproven: int
    """Rows that are older than the trail, and untouched since."""


@dataclass(frozen=True, slots=True)
class Result:
    tenant_id: UUID
    slug: str
    up_to: int
    """The newest entry when the tables were read. What the outbox held by then was compared too."""
    waiting: int
    baseline: str
    """`first entry`; or why rows may be older than the trail: `archive`, `pruned`."""
    tables: tuple[TableResult, ...]

    @property
    def is_equal(self) -> bool:
        return not any(table.count for table in self.tables)


def reconcile(
    subject: Subject, *, tables: Collection[str] | None = None, report: Report = lambda count: None
) -> Result:
    """Compare a tenant's rows with their last images in the trail, while others go on writing.

    Raises:
        AuditUnavailableError: the audit database does not answer.
        django.db.Error: the tenant's tables cannot be read.
    """
    # Asked first: what was moved by now was committed before the snapshot, whatever its number of a
    # transaction says; that is another cluster's where the database came out of a dump.
    up_to = selectors.last_sequence(tenant_id=subject.tenant_id)
    baseline = _baseline(subject.tenant_id)
    wanted = [t for t in triggers.tables(shared=False) if tables is None or t.name in tables]
    with snapshot(subject.schema) as moment:
        results = tuple(
            _compare(subject, moment, table, up_to=up_to, baseline=baseline, report=report)
            for table in sorted(wanted, key=lambda table: table.name)
        )
        return Result(
            subject.tenant_id, subject.slug, up_to, moment.count_waiting(), baseline, results
        )


def _baseline(tenant_id: UUID) -> str:
    oldest = selectors.list_entries(tenant_id=tenant_id, where=EntryFilter(), after=0, limit=1)
    if oldest and oldest[0].sequence > 1:
        return "pruned"
    restored = EntryFilter(entity_type=RESTORED)
    if selectors.list_entries(tenant_id=tenant_id, where=restored, limit=1):
        return "archive"
    return "first entry"


def _compare(
    subject: Subject,
    moment: Snapshot,
    table: AuditedTable,
    *,
    up_to: int,
    baseline: str,
    report: Report,
) -> TableResult:
    stored = selectors.iterate_last_images(
        tenant_id=subject.tenant_id,
        entity_type=table.entity,
        up_to=up_to,
        snapshot=moment.name,
    )
    digest, rows, unproven, count = Digest(), 0, 0, 0
    named: list[Difference] = []
    for pair in _reporting(comparing.pairs(moment.records(table), stored), report):
        if pair.row is not None:
            rows += 1
            digest.add(pair.record_id, pair.row)
        found = comparing.difference(pair, lambda image: moment.as_row(table, image))
        if found is None:
            continue
        if found.kind is Kind.UNRECORDED and baseline != "first entry":
            unproven += 1
            continue
        count += 1
        if count <= _REMEMBERED:
            named.append(found)
    return TableResult(table.name, rows, digest.value, tuple(named), count, unproven)


def _reporting(found: Iterator[comparing.Pair], report: Report) -> Iterator[comparing.Pair]:
    count = 0
    for pair in found:
        yield pair
        count += 1
        if count == _REPORT_EVERY:
            report(count)
            count = 0
    report(count)


def known_tables() -> Sequence[str]:
    return sorted(table.name for table in triggers.tables(shared=False))
