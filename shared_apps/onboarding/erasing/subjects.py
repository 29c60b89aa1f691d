"""Who is erased, and what became of a table's rows."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Subject:
    """A person by the id of their account and by their address in its canonical form, never by name."""

    user_id: UUID | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """Of the report: what was done, or would be, to how many rows."""

    table: str
    action: str
    """deleted, emptied, masked, anonymised, unreadable or kept."""
    columns: tuple[str, ...]
    rows: int
    reason: str = ""
    ground: str = ""
    records: tuple[str, ...] = ()
    """Keys of rows that stay and that somebody has to judge."""

    @property
    def is_kept(self) -> bool:
        return self.action == "kept"

    @property
    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Line":
        return cls(**{**raw, "columns": tuple(raw["columns"]), "records": tuple(raw["records"])})


def merged(before: Iterable[Line], after: Iterable[Line]) -> list[Line]:
    """Two runs of one erasure: what was changed adds up, what stays is what was seen last or most of."""
    lines = {(line.table, line.action, line.columns): line for line in before}
    for line in after:
        key = (line.table, line.action, line.columns)
        known = lines.get(key)
        if known is None:
            lines[key] = line
        elif line.is_kept:
            records = tuple(dict.fromkeys([*known.records, *line.records]))
            lines[key] = replace(line, rows=max(known.rows, line.rows), records=records)
        else:
            lines[key] = replace(line, rows=known.rows + line.rows)
    return list(lines.values())


def unreadable(entries: int) -> list[Line]:
    """Of the trail: entries that lose what the person's keys open."""
    return [Line("the audit trail", "unreadable", (), entries)] if entries else []


def is_changed(lines: Iterable[Line]) -> bool:
    return any(line.rows and not line.is_kept for line in lines)
