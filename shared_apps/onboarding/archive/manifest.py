"""What an archive says of itself; its last member, because checksums are known at the end."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from shared_apps.accounts import selectors as accounts
from shared_apps.accounts.choices import Permission
from shared_apps.onboarding.archive import values
from shared_apps.onboarding.errors import ArchiveInvalidError
from shared_apps.tenants.choices import TenantState

FORMAT = 2
NAME = "manifest.json"
PEOPLE = "people.jsonl"
AUDIT = "audit.jsonl"
TABLES = "tables/"
FILES = "files/"
EXPORTED = frozenset({TenantState.ACTIVE, TenantState.SUSPENDED, TenantState.ARCHIVED})


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
    """The transactions that the rows show, as PostgreSQL writes a `pg_snapshot`; empty if nodes number their own."""
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
    """The tenant as its declaration would be written; secrets are in `secrets` alone."""
    setups: tuple[str, ...]
    """What it was filled with when it was made, so that it is not filled again."""
    tables: tuple[Table, ...]
    sequences: tuple[Sequence, ...]
    roles: dict[str, tuple[str, ...]]
    """What each role of the tenant's own allows."""
    people: int
    files: int
    audit_entries: int
    audit_pending: int
    """Changes that the relay had not moved into the audit database, so not in the audit slice."""
    members: dict[str, Member]
    secrets: str = ""
    """Of sign-in and mail, sealed (secrets.py); empty: left out."""
    format: int = FORMAT

    def as_json(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Raises ArchiveInvalidError: it is no manifest, or one of a format that is not known here."""
        try:
            raw = values.any_mapping(values.parse(text))
            if values.number(raw["format"]) != FORMAT:
                raise ArchiveInvalidError(
                    f"The archive has format {raw['format']}; this version reads {FORMAT}."
                )
            values.mapping(raw, [field.name for field in fields(cls)])
            return cls(
                version=values.text(raw["version"]),
                fingerprint=values.text(raw["fingerprint"]),
                tenant_id=str(values.identifier(raw["tenant_id"])),
                exported_at=values.moment(raw["exported_at"]).isoformat(),
                moment=_moment(raw["moment"]),
                state=_state(raw["state"]),
                declared=_declared(raw["declared"]),
                setups=tuple(map(values.text, values.items(raw["setups"]))),
                tables=tuple(map(_table, values.items(raw["tables"]))),
                sequences=tuple(map(_sequence, values.items(raw["sequences"]))),
                roles=_roles(raw["roles"]),
                people=values.count(raw["people"]),
                files=values.count(raw["files"]),
                audit_entries=values.count(raw["audit_entries"]),
                audit_pending=values.count(raw["audit_pending"]),
                members={
                    values.text(name): _member(member)
                    for name, member in values.any_mapping(raw["members"]).items()
                },
                secrets=values.text(raw["secrets"]),
            )
        except (ValueError, KeyError):
            raise ArchiveInvalidError("The archive's manifest cannot be read.") from None


def _moment(raw: object) -> Moment:
    moment = values.mapping(raw, ("at", "snapshot", "sequence"))
    return Moment(
        values.moment(moment["at"]).isoformat(),
        values.snapshot(moment["snapshot"]),
        values.count(moment["sequence"]),
    )


def _state(raw: object) -> str:
    state = values.text(raw)
    if state not in {served.lower() for served in EXPORTED}:
        raise ValueError("no such state")
    return state


def _declared(raw: object) -> dict[str, Any]:
    declared = values.any_mapping(raw)
    values.text(declared["slug"])
    return declared


def _roles(raw: object) -> dict[str, tuple[str, ...]]:
    roles = {
        values.text(name): tuple(map(values.text, values.items(permissions)))
        for name, permissions in values.any_mapping(raw).items()
    }
    for name, permissions in roles.items():
        if not accounts.is_role_name(name) or not {*permissions} <= {*Permission.values}:
            raise ValueError("no such role can be")
        if not permissions:
            raise ValueError("a role that allows nothing")
    return roles


def _table(raw: object) -> Table:
    table = values.mapping(raw, ("name", "columns", "rows"))
    columns = tuple(map(values.text, values.items(table["columns"])))
    return Table(values.text(table["name"]), columns, values.count(table["rows"]))


def _sequence(raw: object) -> Sequence:
    sequence = values.mapping(raw, ("name", "last_value", "is_called"))
    return Sequence(
        values.text(sequence["name"]),
        values.number(sequence["last_value"]),
        values.flag(sequence["is_called"]),
    )


def _member(raw: object) -> Member:
    member = values.mapping(raw, ("size", "sha256"))
    return Member(values.count(member["size"]), values.hash_of(member["sha256"]))
