"""What an entry looks like in a file: every format can be turned back into what was hashed."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared_apps.audit.exports import ocsf
from shared_apps.audit.exports.entries import StoredEntry

FIELDS = (
    "tenant_id", "sequence", "uid", "created_at", "completed_at", "entity_type", "operation",
    "record_id", "old_values", "new_values", "diff", "modified_by", "attribution", "request_id",
    "database_role", "transaction_id", "previous_hash", "hash",
)  # fmt: skip

# What a spreadsheet takes for a formula, and the mark itself, so that it can be taken away again.
_MARKED = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_MARK = "'"


@dataclass(frozen=True, slots=True)
class Format:
    """How a file begins, how an entry is written in it, and how it ends."""

    name: str
    content_type: str
    suffix: str
    head: bytes
    entry: Callable[[StoredEntry], bytes]
    end: Callable[[Mapping[str, Any]], bytes]


def as_fields(entry: StoredEntry) -> dict[str, Any]:
    """Times in UTC with microseconds, hashes in hexadecimal, values as the text that is stored."""
    return {
        "tenant_id": str(entry.tenant_id),
        "sequence": entry.sequence,
        "uid": str(entry.uid),
        "created_at": _moment(entry.created_at),
        "completed_at": _moment(entry.completed_at),
        "entity_type": entry.entity_type,
        "operation": entry.operation,
        "record_id": entry.record_id,
        "old_values": entry.old_values,
        "new_values": entry.new_values,
        "diff": entry.diff,
        "modified_by": entry.modified_by,
        "attribution": entry.attribution,
        "request_id": entry.request_id,
        "database_role": entry.database_role,
        "transaction_id": entry.transaction_id,
        "previous_hash": entry.previous_hash.hex() if entry.previous_hash else None,
        "hash": entry.hash.hex(),
    }


def as_line(entry: StoredEntry) -> bytes:
    """One line of JSON."""
    return _json(as_fields(entry)) + b"\n"


def as_event(entry: StoredEntry) -> bytes:
    """An OCSF event on one line; its raw_data is the entry as `as_line` has it."""
    raw = _json(as_fields(entry)).decode()
    return _json(ocsf.event(entry, raw=raw)) + b"\n"


def _as_row(entry: StoredEntry) -> bytes:
    return _row([_cell(value) for value in as_fields(entry).values()])


def read_cell(text: str) -> str | None:
    """What `_cell` made it of."""
    if text == "":
        return None
    return text[1:] if text.startswith(_MARK) else text


def _cell(value: object) -> str:
    """Nothing for NULL; a quote ahead of what a spreadsheet would run, and alone for an empty text."""
    if value is None:
        return ""
    text = str(value)
    return _MARK + text if not text or text.startswith(_MARKED) else text


def _row(cells: list[str]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().encode()


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


FORMATS = {
    "jsonl": Format(
        "jsonl", "application/x-ndjson", "jsonl", b"", as_line,
        lambda manifest: _json({"manifest": manifest}) + b"\n",
    ),
    "csv": Format(
        "csv", "text/csv; charset=utf-8", "csv", _row(list(FIELDS)), _as_row,
        lambda manifest: _row(["manifest", _json(manifest).decode()]),
    ),
    "ocsf": Format(
        "ocsf", "application/x-ndjson", "ocsf.jsonl", b"", as_event,
        lambda manifest: _json(ocsf.closing_event(manifest)) + b"\n",
    ),
}  # fmt: skip
