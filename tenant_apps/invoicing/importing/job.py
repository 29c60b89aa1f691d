"""The import of invoices as a job: every row is looked at before one is written, and all are written or none.

Between the phases stands a file in the job's own directory, so that memory does not grow with the upload.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from shared_apps.core.errors import AppError
from tenant_apps.invoicing import selectors
from tenant_apps.invoicing.choices import VatRounding
from tenant_apps.invoicing.errors import ImportFileError
from tenant_apps.invoicing.importing import columns, reading
from tenant_apps.invoicing.importing.columns import Problem, Record
from tenant_apps.invoicing.importing.report import Report
from tenant_apps.invoicing.importing.vendors import Vendors
from tenant_apps.invoicing.serializers import MOST_ITEMS
from tenant_apps.invoicing.services import drafts
from tenant_apps.invoicing.totals import Line, compute_totals
from tenant_apps.jobs import kinds

KIND: Final = "invoice-import"
MOST_ROWS: Final = 100_000
_BATCH: Final = 500
_STEP: Final = 200


class InvoiceImport:
    def __init__(self, run: kinds.Run) -> None:
        self._run = run
        self._places: dict[str, int] = {}
        self._rows = self._invoices = 0
        self._vendors = Vendors()
        self._seen: set[str] = set()

    def validate(self) -> None:
        """Raises ImportFileError: it is no such file, or has other columns."""
        for count, (number, cells) in enumerate(reading.read_rows(self._run.upload)):
            if count == 0:
                self._places = columns.positions_of(cells)
            elif not columns.is_blank(cells):
                self._rows += 1
            if self._rows > MOST_ROWS:
                raise ImportFileError(f"At most {MOST_ROWS} rows; row {number} is one too many.")
            if count % _STEP == 0:
                self._run.advance(self._rows, MOST_ROWS)
        if not self._rows:
            raise ImportFileError("There are no rows below the first.")

    def work(self) -> None:
        policy = selectors.get_policy()
        self._currency = policy.default_currency
        self._rounding = VatRounding(policy.vat_rounding)
        with (
            Report(self._directory / "problems.csv") as problems,
            self._drafts.open("w", encoding="utf-8") as out,
        ):
            for group in self._groups(problems):
                if (draft := self._draft(group, problems)) is not None:
                    out.write(json.dumps(draft, ensure_ascii=False) + "\n")
                    self._invoices += 1
        self._problems = problems

    def save(self) -> kinds.Outcome:
        if self._problems.count:
            return kinds.Outcome(
                self._result(invoices=0),
                self._problems.path,
                error=f"{self._problems.count} mistakes in {self._rows} rows: nothing was imported.",
            )
        written = 0
        with Report(self._directory / "imported.csv") as imported, self._drafts.open(encoding="utf-8") as lines:  # fmt: skip
            while batch := [json.loads(line) for line in islice(lines, _BATCH)]:
                drafts.insert_drafts(
                    drafts=[_as_draft(one) for one in batch],
                    rounding=self._rounding,
                    created_by=self._run.requested_by,
                )
                for one in batch:
                    imported.add_invoice(one["row"], one["invoice"], one["id"])
                written += len(batch)
                self._run.advance(written, self._invoices)
        return kinds.Outcome(self._result(invoices=written), imported.path)

    @property
    def _directory(self) -> Path:
        return self._run.directory

    @property
    def _drafts(self) -> Path:
        return self._directory / "drafts.jsonl"

    def _groups(self, problems: Report) -> Iterator[list[Record]]:
        """Rows that follow each other and name the same invoice; of one with a mistake what is right."""
        group: list[Record] = []
        for record in self._records(problems):
            if group and record.invoice != group[0].invoice:
                yield group
                group = []
            group.append(record)
            if len(group) > MOST_ITEMS:
                problems.add_problem(
                    Problem(
                        record.row, "invoice", f"At most {MOST_ITEMS} rows each.", record.invoice
                    )
                )
                group.pop()
        if group:
            yield group

    def _records(self, problems: Report) -> Iterator[Record]:
        rows = reading.read_rows(self._run.upload)
        next(rows)
        done = 0
        for number, cells in rows:
            if columns.is_blank(cells):
                continue
            found = columns.parse(number, cells, self._places)
            if isinstance(found, Record):
                yield found
            else:
                for problem in found:
                    problems.add_problem(problem)
            done += 1
            if done % _STEP == 0:
                self._run.advance(done, self._rows)

    def _draft(self, group: list[Record], problems: Report) -> dict[str, Any] | None:
        first, before = group[0], problems.count
        if first.invoice in self._seen:
            problems.add_problem(
                Problem(
                    first.row,
                    "invoice",
                    "Rows of one invoice must follow each other.",
                    first.invoice,
                )
            )
        self._seen.add(first.invoice)
        for record in group[1:]:
            for name in ("vendor", "currency", "due_date"):
                if getattr(record, name) != getattr(first, name):
                    problems.add_problem(
                        Problem(
                            record.row,
                            name,
                            f"Row {first.row} of the invoice has another.",
                            getattr(record, name),
                        )
                    )
        vendor = None
        try:
            vendor = self._vendors.find(first.vendor)
        except ValueError as error:
            problems.add_problem(Problem(first.row, "vendor", str(error), first.vendor))
        currency = first.currency or self._currency
        try:
            compute_totals([one.line for one in group], currency=currency, rounding=self._rounding)
        except AppError:
            problems.add_problem(
                Problem(first.row, "unit_price", "The invoice comes to too large an amount.", "")
            )
        if problems.count > before:
            return None
        return {
            "id": str(uuid4()), "row": first.row, "invoice": first.invoice, "vendor": str(vendor),
            "currency": currency, "due_date": first.due_date,
            "lines": [[o.line.description, *map(str, (o.line.quantity, o.line.unit_price, o.line.tax_rate))] for o in group],
        }  # fmt: skip

    def _result(self, *, invoices: int) -> dict[str, Any]:
        return {
            "rows": self._rows,
            "invoices": invoices,
            "errors_count": self._problems.count,
            "errors": [asdict(problem) for problem in self._problems.shown],
        }


def _as_draft(stored: dict[str, Any]) -> drafts.Draft:
    return drafts.Draft(
        id=UUID(stored["id"]),
        vendor_id=UUID(stored["vendor"]),
        currency=stored["currency"],
        due_date=date.fromisoformat(stored["due_date"]) if stored["due_date"] else None,
        lines=[
            Line(text, Decimal(quantity), Decimal(price), Decimal(rate))
            for text, quantity, price, rate in stored["lines"]
        ],
    )
