"""Rows of a CSV or XLSX file as texts, whatever wrote it, in memory that does not grow with a CSV."""

import csv
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Final

import python_calamine

from tenant_apps.invoicing.errors import ImportFileError

XLSX: Final = "xlsx"
CSV: Final = "csv"
_SHEET = "xl/workbook.xml"
_LARGEST_UNPACKED: Final = 400 * 10**6
_MOST_PARTS: Final = 10_000
_PORTION: Final = 1024 * 1024
_LONGEST_CELL: Final = 10_000
_SEPARATORS: Final = ",;\t|"

Cell = int | float | str | bool | time | date | datetime | timedelta


def sniff(file: IO[bytes]) -> str:
    """What a file is, by what is in it and not by its name.

    Raises:
        ImportFileError: neither a spreadsheet nor text.
    """
    start = file.read(_PORTION)
    file.seek(0)
    if not start.strip():
        raise ImportFileError("The file is empty.")
    if start.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(file) as archive:
                is_sheet = _SHEET in archive.namelist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
            raise ImportFileError("The file is damaged.") from None
        finally:
            file.seek(0)
        if is_sheet:
            return XLSX
        raise ImportFileError("A CSV or XLSX file is required; this is another kind of archive.")
    is_utf16 = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    if start.startswith((b"%PDF", b"\xd0\xcf\x11\xe0")) or (b"\0" in start and not is_utf16):
        raise ImportFileError("A CSV or XLSX file is required.")
    return CSV


def read_rows(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """The number of each row in its file (of a CSV: of its last line), and its cells without blanks around them.

    Raises:
        ImportFileError: it cannot be read, at the row where that shows.
    """
    with path.open("rb") as file:
        kind = sniff(file)
    return _read_xlsx(path) if kind == XLSX else _read_csv(path)


def _read_csv(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    encoding = _encoding_of(path)
    csv.field_size_limit(_LONGEST_CELL)
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline(_LONGEST_CELL)
        # A name of a column has none of them in it.
        separator = max(_SEPARATORS, key=first.count)
        file.seek(0)
        reader = csv.reader(file, delimiter=separator, strict=True)
        try:
            for row in reader:
                yield reader.line_num, [cell.strip() for cell in row]
        except csv.Error as error:
            raise ImportFileError(f"Line {reader.line_num}: no CSV: {error}.") from None


def _encoding_of(path: Path) -> str:
    """UTF-16 and UTF-8 say so themselves; what is neither was written by an older Windows."""
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            candidates = ["utf-16"]
        else:
            candidates = ["utf-8-sig", "cp1252"]
    for encoding in candidates:
        try:
            with path.open(encoding=encoding, newline="") as text:
                while text.read(_PORTION):
                    pass
        except UnicodeError:
            continue
        return encoding
    raise ImportFileError("The text is neither UTF-8 nor UTF-16 nor Windows-1252.")


def _read_xlsx(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    _require_moderate(path)
    try:
        with python_calamine.CalamineWorkbook.from_path(path) as workbook:
            sheet = workbook.get_sheet_by_index(0)
            # Rows that are blank at the beginning are left out by the library.
            first = (sheet.start or (0, 0))[0] + 1
            for number, row in enumerate(sheet.iter_rows(), start=first):
                yield number, [_text(cell) for cell in row]
    except python_calamine.CalamineError:
        raise ImportFileError("The workbook is damaged, or protected by a password.") from None


def _require_moderate(path: Path) -> None:
    """Unpack it once into nothing: what a part claims to hold is not what it holds.

    Raises:
        ImportFileError: it would fill the memory, or is damaged.
    """
    unpacked = 0
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if len(parts) > _MOST_PARTS:
                raise ImportFileError("The workbook has too many parts.")
            for part in parts:
                with archive.open(part) as content:
                    while portion := content.read(_PORTION):
                        unpacked += len(portion)
                        if unpacked > _LARGEST_UNPACKED:
                            raise ImportFileError("The workbook is too large when unpacked.")
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, OSError,
            RuntimeError, ValueError, zlib.error):  # fmt: skip
        raise ImportFileError("The workbook is damaged, or protected by a password.") from None


def _text(cell: Cell) -> str:
    match cell:
        case bool():
            return str(cell).upper()
        case float():
            # The 15 digits that a spreadsheet shows, not the binary fraction that it computes with.
            return f"{Decimal(f'{cell:.15g}'):f}"
        case datetime():
            is_day = cell.time() == time.min
            return cell.date().isoformat() if is_day else cell.isoformat(" ")
        case date() | time():
            return cell.isoformat()
    return str(cell).strip()
