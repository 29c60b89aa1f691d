"""The pieces of work, the same for every contender; each worker adds how its peer is told who writes."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.db import connection, models, transaction
from django.db.models import F

_MICROSECONDS = 1_000_000


class Writing:
    """Each piece of work gives the seconds that it took for so many rows; making them ready is not in it."""

    model: Any

    def acting(self) -> AbstractContextManager[object]:
        """As one request of one person."""
        return nullcontext()

    def count_entries(self) -> int:
        """How many entries there are by now."""
        return 0

    def measure(self, *, work: str, rows: int, single_rows_first: int) -> float:
        """Microseconds for each row.

        On a connection that has done the same once before, or only changed so many rows one by one:
        PostgreSQL keeps the plan that it made for the first statement of a trigger.
        """
        with self.scope(), self.acting():
            connection.close()
            if single_rows_first:
                self.update(single_rows_first)
            else:
                getattr(self, work)(rows)
            return float(getattr(self, work)(rows)) / rows * _MICROSECONDS

    def entries_per_row(self, *, work: str, rows: int) -> float:
        """What is recorded of one such piece of work."""
        with self.scope(), self.acting():
            self._require_rows(rows)
            before = self.count_entries()
            getattr(self, work)(rows)
            return (self.count_entries() - before) / rows

    def scope(self) -> AbstractContextManager[object]:
        return nullcontext()

    def create(self, rows: int) -> float:
        made = self.make(rows)
        with _timed() as taken:
            for row in made:
                row.save()
        return taken[0]

    def create_in_transaction(self, rows: int) -> float:
        with transaction.atomic():
            return self.create(rows)

    def update(self, rows: int) -> float:
        found = self._require_rows(rows)
        for row in found:
            row.status += 1
        with _timed() as taken:
            for row in found:
                row.save()
        return taken[0]

    def update_in_transaction(self, rows: int) -> float:
        with transaction.atomic():
            return self.update(rows)

    def bulk_create(self, rows: int) -> float:
        made = self.make(rows)
        with _timed() as taken:
            self.insert_all(made)
        return taken[0]

    def update_all(self, rows: int) -> float:
        """queryset.update() of a column that has an index"""
        return self._change_all(rows, "status")

    def update_all_unindexed(self, rows: int) -> float:
        return self._change_all(rows, "quantity")

    def _change_all(self, rows: int, column: str) -> float:
        self._require_rows(rows)
        last = self._number_of_last(rows)
        with _timed() as taken:
            self.change_all(self.model.objects.filter(id__lte=last), column)
        return taken[0]

    def make(self, rows: int) -> list[models.Model]:
        mark = uuid4().hex
        return [
            self.model(
                name=f"row {number} of {mark}",
                code=mark,
                amount=Decimal(number) + Decimal("0.25"),
                note="so long that it is worth a note",
            )
            for number in range(rows)
        ]

    def insert_all(self, rows: Sequence[models.Model]) -> None:
        self.model.objects.bulk_create(rows)

    def change_all(self, rows: "models.QuerySet[Any]", column: str) -> None:
        rows.update(**{column: F(column) + 1})

    def _require_rows(self, rows: int) -> list[Any]:
        """The first so many rows of the table."""
        missing = rows - self.model.objects.count()
        if missing > 0:
            self.model.objects.bulk_create(self.make(missing))
        return list(self.model.objects.order_by("id")[:rows])

    def _number_of_last(self, rows: int) -> int:
        return int(self.model.objects.order_by("id").values_list("id", flat=True)[rows - 1])


@contextmanager
def _timed() -> Iterator[list[float]]:
    taken: list[float] = []
    started = time.perf_counter()
    yield taken
    taken.append(time.perf_counter() - started)
