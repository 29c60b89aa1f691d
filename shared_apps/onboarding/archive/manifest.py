"""What an archive says of itself; its last member, because checksums are known at the end."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from shared_apps.onboarding.errors import ArchiveInvalidError

FORMAT = 1
NAME = "manifest.json"
PEOPLE = "people.jsonl"
AUDIT = "audit.jsonl"
TABLES = "tables/"
FILES = "files/"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows are in `tables/<name>` as PostgreSQL's COPY writes text, in this order of columns."""

    name: str
    columns: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Sequence:
    name: str
    last_value: int
    is_called: bool


@dataclass(frozen=True, slots=True)
class Member:
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Moment:
    """When the rows were read, in terms of the database: what is later can be told from what is earlier."""

    at: str
    snapshot: str
    """The transactions that the rows show, as PostgreSQL writes a `pg_snapshot`."""
    sequence: int
    """An entry of the trail; its change, and those of all before it, are in the rows."""


@dataclass(frozen=True, slots=True)
class Manifest:
    version: str
    """Of the product that wrote it."""
    fingerprint: str
    """Of the schema's migrations, triggers and rights (`fleet status`)."""
    tenant_id: str
    exported_at: str
    moment: Moment
    state: str
    declared: dict[str, Any]
    """The tenant as its declaration would be written; no secrets."""
    setups: tuple[str, ...]
    """What it was filled with when it was made, so that it is not filled again."""
    tables: tuple[Table, ...]
    sequences: tuple[Sequence, ...]
    people: int
    files: int
    audit_entries: int
    audit_pending: int
    """Changes that the relay had not moved into the audit database, so not in the audit slice."""
    members: dict[str, Member]
    format: int = FORMAT

    def as_json(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Raises ArchiveInvalidError: it is no manifest, or one of a format that is not known here."""
        try:
            raw = json.loads(text)
            if raw["format"] != FORMAT:
                raise ArchiveInvalidError(
                    f"The archive has format {raw['format']}; this version reads {FORMAT}."
                )
            tables = tuple(
                Table(str(t["name"]), tuple(map(str, t["columns"])), int(t["rows"]))
                for t in raw.pop("tables")
            )
            sequences = tuple(
                Sequence(str(s["name"]), int(s["last_value"]), bool(s["is_called"]))
                for s in raw.pop("sequences")
            )
            members = {
                str(name): Member(int(m["size"]), str(m["sha256"]))
                for name, m in raw.pop("members").items()
            }
            setups = tuple(map(str, raw.pop("setups")))
            read = raw.pop("moment")
            moment = Moment(str(read["at"]), str(read["snapshot"]), int(read["sequence"]))
            return cls(
                **raw,
                moment=moment,
                setups=setups,
                tables=tables,
                sequences=sequences,
                members=members,
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ArchiveInvalidError("The archive's manifest cannot be read.") from None
