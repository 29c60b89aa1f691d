"""The file that an import leaves: what became of each invoice, or what is wrong in each row."""

import csv
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from shared_apps.core.cells import inert
from tenant_apps.invoicing.importing.columns import Problem

_HEADER: Final = ("row", "invoice", "outcome", "column", "problem", "value", "invoice_id")
_MOST_PROBLEMS: Final = 10_000
_MOST_SHOWN: Final = 100


class Report:
    """Written as it goes, so that a file full of mistakes costs no memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.shown: list[Problem] = []
        # A mark ahead, without which Excel takes UTF-8 for something else.
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(_HEADER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._file.close()

    def add_problem(self, found: Problem) -> None:
        self.count += 1
        if self.count <= _MOST_SHOWN:
            self.shown.append(found)
        if self.count <= _MOST_PROBLEMS:
            self._write(found.row, "", "wrong", found.column, found.problem, found.value, "")
        elif self.count == _MOST_PROBLEMS + 1:
            self._write("", "", "wrong", "", "There are more; these are the first.", "", "")

    def add_invoice(self, row: int, invoice: str, invoice_id: str) -> None:
        self._write(row, invoice, "imported", "", "", "", invoice_id)

    def _write(self, *cells: object) -> None:
        self._writer.writerow([inert(str(cell)) for cell in cells])
