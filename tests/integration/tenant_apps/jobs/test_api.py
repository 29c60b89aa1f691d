"""The import of invoices over HTTP; it is carried out here by the test, and by workers in test_worker.py."""

import csv
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing.models import Invoice
from tenant_apps.invoicing.services import vendors
from tenant_apps.jobs import files, running
from tenant_apps.jobs.errors import JobFailedError
from tenant_apps.jobs.models import Job
from tests.client import Api
from tests.integration.tenant_apps.jobs.sheets import workbook

Upload = Callable[..., Any]
FEATURE = "invoice-imports"
HEADER = ["invoice", "vendor", "description", "quantity", "unit_price", "tax_rate", "due_date"]
ROWS: list[list[Any]] = [
    ["A-1", "Müller & Söhne", "Paper", 2, 10.1, 0.19, date(2026, 12, 31)],
    ["A-1", "Müller & Söhne", "Ink", 1, 0.005, 0.19, date(2026, 12, 31)],
    ["A-2", "Müller & Söhne", "Toner", 3, 33.33, 0.07, ""],
]


def text_of(rows: list[list[Any]], *, separator: str = ",") -> str:
    return "".join(separator.join(map(str, row)) + "\r\n" for row in [HEADER, *rows])


CSV = text_of(ROWS).encode()


@pytest.fixture(autouse=True)
def vendor(at_acme: TenantIdentity) -> UUID:
    return vendors.create_vendor(name="Müller & Söhne", created_by=uuid4()).id


def carry_out(answer: Any) -> None:
    running.run_job(job_id=UUID(answer.json()["id"]), clock=timezone.now)


def imported() -> list[tuple[str, str, str, int, date | None]]:
    return [
        (str(i.net), str(i.tax), i.currency, i.items.count(), i.due_date)
        for i in Invoice.objects.order_by("amount")
    ]


EXPECTED = [
    ("20.2100", "3.8400", "EUR", 2, date(2026, 12, 31)),
    ("99.9900", "7.0000", "EUR", 1, None),
]


def test_an_import_from_its_upload_to_its_result(editor: Api, upload: Upload) -> None:
    created = upload(CSV)

    job_id = created.json()["id"]
    assert (created.status_code, created["Retry-After"]) == (202, "2")
    assert created["Location"] == f"/api/v1/{FEATURE}/status/{job_id}/"
    assert created.json()["status"] == "pending"
    assert editor.get(created["Location"])["Retry-After"] == "2"
    early = editor.get(f"{FEATURE}/results/{job_id}/")
    assert (early.status_code, early.json()["code"]) == (409, "jobs.unfinished")
    assert editor.get(f"{FEATURE}/download-results/{job_id}/").status_code == 409

    carry_out(created)

    status = editor.get(created["Location"]).json()
    assert (status["status"], status["phase"], status["progress"]) == ("completed", "", 100)
    assert (status["error_message"], status["file_name"]) == ("", "invoices.csv")
    results = editor.get(f"{FEATURE}/results/{job_id}/").json()
    assert results["result"] == {"rows": 3, "invoices": 2, "errors_count": 0, "errors": []}
    assert imported() == EXPECTED
    download = editor.get(f"{FEATURE}/download-results/{job_id}/")
    assert download["Content-Disposition"] == f'attachment; filename="{job_id}.csv"'
    rows = list(csv.DictReader(download.getvalue().decode("utf-8-sig").splitlines()))
    assert [(r["row"], r["invoice"], r["outcome"]) for r in rows] == [
        ("2", "A-1", "imported"),
        ("4", "A-2", "imported"),
    ]
    assert {UUID(r["invoice_id"]) for r in rows} == set(
        Invoice.objects.values_list("id", flat=True)
    )
    listed = editor.get(f"{FEATURE}/list/", page_size=1).json()
    assert (listed["count"], listed["results"][0]["id"]) == (1, job_id)
    # Neither the upload nor the working directory is left.
    assert [f.name for f in files.directory(UUID(job_id)).iterdir()] == ["result-1.csv"]


def _xlsx() -> bytes:
    return workbook([HEADER, *ROWS])


@pytest.mark.parametrize(
    "content",
    [
        text_of(ROWS).encode("utf-8-sig"),
        text_of(ROWS, separator=";").encode("cp1252"),
        text_of(ROWS, separator="\t").encode("utf-16"),
        text_of(ROWS, separator="|").replace("\r\n", "\n").encode(),
        _xlsx(),
    ],
    ids=["utf-8 with a mark", "windows", "utf-16", "unix", "xlsx"],
)
def test_whatever_wrote_the_file_the_invoices_are_the_same(upload: Upload, content: bytes) -> None:
    carry_out(upload(content))

    assert imported() == EXPECTED


def test_each_mistake_is_named_and_nothing_is_imported(editor: Api, upload: Upload) -> None:
    wrong = [
        ["A-1", "Müller & Söhne", "fine", "1", "10.00", "0.19", ""],
        ["A-2", "Nobody", "x", "1,5", "1e3", "19", "31.12.2026"],
        ["A-3", "Müller & Söhne", "", "0", "-1", "0.19", ""],
        ["A-4", "Müller & Söhne", "fine", "1", "1", "0", ""],
        ["A-1", "Müller & Söhne", "apart", "1", "1", "0", ""],
        ["=1+1", "@cmd", "x", "1", "1", "0", ""],
    ]
    created = upload(text_of(wrong, separator=";").encode())

    with pytest.raises(JobFailedError):
        carry_out(created)

    assert imported() == []
    job_id = created.json()["id"]
    results = editor.get(f"{FEATURE}/results/{job_id}/").json()
    assert results["status"] == "failed"
    assert results["error_message"] == "9 mistakes in 6 rows: nothing was imported."
    assert [(e["row"], e["column"]) for e in results["result"]["errors"]] == [
        (3, "due_date"), (3, "quantity"), (3, "unit_price"), (3, "tax_rate"),
        (4, "description"), (4, "quantity"), (4, "unit_price"),
        (6, "invoice"), (7, "vendor"),
    ]  # fmt: skip
    assert results["result"]["errors"][1]["value"] == "1,5"
    download = editor.get(f"{FEATURE}/download-results/{job_id}/")
    values = [
        r["value"] for r in csv.DictReader(download.getvalue().decode("utf-8-sig").splitlines())
    ]
    # No spreadsheet runs what somebody has written.
    assert values[-1] == "'@cmd"
    assert "'-1" in values


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The submitted file is empty."),
        (b"%PDF-1.7 ...", "A CSV or XLSX file is required."),
        (b"MZ\x90\x00\x03", "A CSV or XLSX file is required."),
        (b"PK\x03\x04broken", "The file is damaged."),
    ],
)
def test_what_is_no_table_is_refused(upload: Upload, content: bytes, message: str) -> None:
    answer = upload(content, name="invoices.xlsx")

    assert answer.status_code == 400
    assert message in answer.content.decode()
    assert Job.objects.count() == 0


def test_a_file_that_lacks_columns_fails_with_the_reason(editor: Api, upload: Upload) -> None:
    created = upload(b"invoice,vendor\nA-1,x\n")

    with pytest.raises(JobFailedError):
        carry_out(created)

    status = editor.get(created["Location"]).json()
    assert status["error_message"] == (
        "The first row lacks the columns: description, quantity, unit_price, tax_rate."
    )
    missing = editor.get(f"{FEATURE}/results/{created.json()['id']}/")
    assert (missing.status_code, missing.json()["code"]) == (404, "jobs.no_result")


def test_a_file_that_is_too_large_is_refused(upload: Upload, settings: Any) -> None:
    settings.INVOICE_IMPORT_LARGEST = 10

    assert upload(b"x" * 70_000).status_code == 413
    assert Job.objects.count() == 0


def test_a_body_that_is_no_form_is_refused(editor: Api) -> None:
    assert editor.post(f"{FEATURE}/create/", {"file": "x"}).status_code == 415


def test_with_a_key_the_same_upload_is_one_job(upload: Upload) -> None:
    first, second = (upload(CSV, **{"idempotency-key": "once"}) for _ in range(2))

    assert first.content == second.content
    assert second["Idempotency-Replayed"] == "true"
    assert second["Location"] == first["Location"]
    assert Job.objects.count() == 1


def test_a_job_is_its_tenants_own(
    upload: Upload, globex: TenantIdentity, api: Callable[..., Api]
) -> None:
    job_id = upload(CSV).json()["id"]
    other = api(globex, "admin")

    for verb in ("status", "results", "download-results"):
        assert other.get(f"{FEATURE}/{verb}/{job_id}/").status_code == 404
    assert other.post(f"{FEATURE}/cancel/{job_id}/").status_code == 404
    assert other.delete(f"{FEATURE}/delete/{job_id}/").status_code == 404
    assert other.get(f"{FEATURE}/list/").json()["count"] == 0
    with context.tenant(globex):
        assert running.run_job(job_id=UUID(job_id), clock=timezone.now) is None
    assert Job.objects.get().state == "pending"


def test_a_cancelled_job_is_not_begun(editor: Api, upload: Upload) -> None:
    created = upload(CSV)
    job_id = created.json()["id"]

    assert editor.post(f"{FEATURE}/cancel/{job_id}/").json()["status"] == "cancelled"

    carry_out(created)
    assert imported() == []
    again = editor.post(f"{FEATURE}/cancel/{job_id}/")
    assert (again.status_code, again.json()["code"]) == (409, "jobs.finished")
    assert not files.directory(UUID(job_id)).exists()


def test_a_deleted_job_is_gone_with_its_files(editor: Api, upload: Upload) -> None:
    created = upload(CSV)
    carry_out(created)
    job_id = created.json()["id"]

    assert editor.delete(f"{FEATURE}/delete/{job_id}/").status_code == 204

    assert editor.get(f"{FEATURE}/status/{job_id}/").status_code == 404
    assert not files.directory(UUID(job_id)).exists()
    assert len(imported()) == 2
