"""What a backup says of itself: written last, so that a directory without one is no backup."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from shared_apps.operations.errors import BackupInvalidError

NAME = "manifest.json"
SUMS = "SHA256SUMS"
FORMAT = 1
_CHUNK = 1 << 20

Contents = Mapping[str, Mapping[str, tuple[int, str]]]
"""Schema → table → rows and checksum."""


@dataclass(frozen=True, slots=True)
class Dump:
    """One file of pg_dump's, with some of a database's schemas."""

    file: str
    schemas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseDump:
    name: str
    owner: str
    server_version: int
    dumps: tuple[Dump, ...]
    """To be restored in this order: the shared schema comes first."""
    contents: Contents

    @property
    def rows(self) -> int:
        return sum(rows for tables in self.contents.values() for rows, _ in tables.values())


@dataclass(frozen=True, slots=True)
class TenantState:
    """Where a tenant was when the backup was made."""

    slug: str
    id: str
    schema: str
    state: str
    fingerprint: str
    is_between: bool


@dataclass(frozen=True, slots=True)
class Membership:
    role: str
    member: str
    inherits: bool | None
    """None before PostgreSQL 16, where the member's own attribute decides."""
    may_set: bool | None


@dataclass(frozen=True, slots=True)
class Member:
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    version: str
    """Of the product."""
    made_at: str
    """The moment whose rows it holds."""
    finished_at: str
    fingerprint: str
    """What this version wants a tenant's schema to be."""
    shared_migrations: tuple[str, ...]
    application: DatabaseDump
    audit: DatabaseDump
    tenants: tuple[TenantState, ...]
    logins: Mapping[str, str]
    """Setting → the login that it named. Rights are granted to logins by name."""
    roles: tuple[str, ...]
    memberships: tuple[Membership, ...]
    files: Mapping[str, int] | None
    """Directory of a tenant → its files; None: the installation has none."""
    keys: Mapping[str, tuple[str, ...]]
    """Setting → marks of the secrets without which what it holds cannot be opened. The secrets are not in it."""
    members: Mapping[str, Member]

    def as_json(self) -> bytes:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True).encode()

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Raises BackupInvalidError."""
        try:
            raw = json.loads((directory / NAME).read_bytes())
            if raw.pop("format") != FORMAT:
                raise BackupInvalidError(f"{directory} is a backup of another format.")
            return cls._of(raw)
        except FileNotFoundError:
            raise BackupInvalidError(
                f"{directory} holds no whole backup: there is no {NAME}."
            ) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BackupInvalidError(f"The manifest of {directory} cannot be read.") from error

    @classmethod
    def _of(cls, raw: dict[str, Any]) -> Self:
        return cls(
            version=str(raw["version"]),
            made_at=str(raw["made_at"]),
            finished_at=str(raw["finished_at"]),
            fingerprint=str(raw["fingerprint"]),
            shared_migrations=tuple(map(str, raw["shared_migrations"])),
            application=_database(raw["application"]),
            audit=_database(raw["audit"]),
            tenants=tuple(TenantState(**tenant) for tenant in raw["tenants"]),
            logins=dict(raw["logins"]),
            roles=tuple(map(str, raw["roles"])),
            memberships=tuple(Membership(**membership) for membership in raw["memberships"]),
            files=None if raw["files"] is None else dict(raw["files"]),
            keys={name: tuple(marks) for name, marks in raw["keys"].items()},
            members={_plain(name): Member(**member) for name, member in raw["members"].items()},
        )


def _database(raw: dict[str, Any]) -> DatabaseDump:
    return DatabaseDump(
        name=str(raw["name"]),
        owner=str(raw["owner"]),
        server_version=int(raw["server_version"]),
        dumps=tuple(Dump(_plain(dump["file"]), tuple(dump["schemas"])) for dump in raw["dumps"]),
        contents={
            schema: {table: (int(rows), str(mark)) for table, (rows, mark) in tables.items()}
            for schema, tables in raw["contents"].items()
        },
    )


def _plain(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise BackupInvalidError("The manifest names a file that no backup holds.")
    return name


def member_of(path: Path) -> Member:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
        return Member(file.tell(), digest.hexdigest())
