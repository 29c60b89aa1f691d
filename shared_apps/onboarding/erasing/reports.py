"""What is told of an erasure: for the person who asked for it, so without the address."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from shared_apps.onboarding.erasing.subjects import Line, is_changed


class State(StrEnum):
    PLANNED = "planned"
    ERASED = "erased"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Remainder:
    """What no erasure reaches."""

    what: str
    reason: str
    ground: str


REMAINDERS: Final = (
    Remainder(
        "entries of the audit trail: that rows changed, when and by the id of which account, and the values "
        "that stay in the rows as well",
        "entries are only ever added and each is chained to the one before; values that were erased from the "
        "rows cannot be opened any more, because their keys are destroyed",
        "GDPR Art. 17(3)(b), 17(3)(e): proof of who changed what",
    ),
    Remainder(
        "archives that `tenant export` wrote before, and backups of the databases",
        "they are files elsewhere; `tenant restore` in this installation leaves the person out of "
        "archives. After the application's database is set back to before, erase again: a backup of before "
        "holds the keys as well",
        "until their retention ends",
    ),
    Remainder(
        "the address in tenants.yaml, and in whatever else declares people",
        "it is a file elsewhere; take it out, or the next `tenant apply` makes a new account for it",
        "the operator",
    ),
    Remainder(
        "texts that people typed into fields that are not declared, files, log files",
        "nobody can tell whether they speak of the person",
        "the tenant decides",
    ),
)


@dataclass(frozen=True, slots=True)
class TenantPart:
    """What an erasure does with one tenant's rows; `error` says why it did not."""

    id: UUID
    slug: str
    state: str
    lines: tuple[Line, ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Trail:
    """Entries that stay. None: the audit database did not answer."""

    of_account: int | None
    """Of the account's row."""
    by_person: dict[str, int] = field(default_factory=dict)
    """Tenant's slug → entries that name the id of the account as their author."""


@dataclass(frozen=True, slots=True)
class Report:
    state: State
    erasure_id: UUID | None
    person_id: UUID | None
    """Of the account; None for somebody who has none."""
    started_at: datetime | None
    finished_at: datetime | None
    lines: tuple[Line, ...]
    tenants: tuple[TenantPart, ...]
    """Those that hold anything, and those that failed."""
    trail: Trail
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> list[str]:
        return [part.slug for part in self.tenants if part.error]

    @property
    def finds_anything(self) -> bool:
        return bool(self.lines) or any(part.lines for part in self.tenants)

    @property
    def changes_anything(self) -> bool:
        return is_changed(self.lines) or any(is_changed(part.lines) for part in self.tenants)

    @property
    def as_json(self) -> dict[str, Any]:
        return {
            "state": str(self.state),
            "erasure": _text(self.erasure_id),
            "person": _text(self.person_id),
            "started_at": self.started_at and self.started_at.isoformat(),
            "finished_at": self.finished_at and self.finished_at.isoformat(),
            "installation": [line.as_json for line in self.lines],
            "tenants": [
                {
                    "slug": part.slug,
                    "id": str(part.id),
                    "state": part.state.lower(),
                    "lines": [line.as_json for line in part.lines],
                    "error": part.error,
                }
                for part in self.tenants
            ],
            "trail": {
                "entries_of_account": self.trail.of_account,
                "entries_by_person": self.trail.by_person,
            },
            "stays": [
                {"what": stays.what, "reason": stays.reason, "ground": stays.ground}
                for stays in REMAINDERS
            ],
            "warnings": list(self.warnings),
        }

    def as_text(self) -> list[str]:
        """A line for each table, then what stays and why."""
        lines = [*_described("installation", self.lines)]
        for part in self.tenants:
            lines += _described(f"{part.slug} ({part.state.lower()})", part.lines)
            if part.error:
                lines.append(f"  {part.slug}: FAILED: {part.error}")
        count = self.trail.of_account
        lines.append("trail")
        if count is None:
            lines.append("  the audit database did not answer; its entries stay")
        else:
            lines.append(
                f"  {count:>7} entries of the account stay, without address and name, as do those of its "
                "erasure"
            )
            for slug, entries in sorted(self.trail.by_person.items()):
                lines.append(f"  {entries:>7} entries of {slug} by the id of the account stay")
        lines.append("what stays, and why")
        lines += [f"  {stays.what}: {stays.reason} ({stays.ground})" for stays in REMAINDERS]
        return [*lines, *(f"warning: {text}" for text in self.warnings)]


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _described(title: str, lines: tuple[Line, ...]) -> list[str]:
    if not lines:
        return []
    described = [title]
    for line in lines:
        columns = f" ({', '.join(line.columns)})" if line.columns else ""
        described.append(f"  {line.rows:>7} {line.action:<10} {line.table}{columns}")
        if line.is_kept:
            described.append(f"          {line.reason} [{line.ground}]")
        if line.records:
            described.append(f"          {', '.join(line.records)}")
    return described
