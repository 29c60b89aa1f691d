"""What a run would do, without doing it."""

from dataclasses import dataclass

from django.db import connections

from shared_apps.core import context
from shared_apps.fleet import compatibility, replay, selectors
from shared_apps.fleet.history import History, name_of, shared_labels
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.plans import require_known
from shared_apps.fleet.sealing import SHARED_SCHEMA


@dataclass(frozen=True, slots=True)
class Group:
    """Tenants that lack the same migrations; none at all: only their triggers and rights change."""

    migrations: tuple[str, ...]
    tenants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunPlan:
    shared: tuple[str, ...]
    groups: tuple[Group, ...]
    breakages: tuple[str, ...]


def plan_run(*, only: str | None = None) -> RunPlan:
    """Raises DatabaseAheadError, UnknownTenantError."""
    breakages: dict[str, None] = {}
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        shared = History(replay.applied_in(cursor, SHARED_SCHEMA), labels=shared_labels())
        require_known(shared)
        breakages.update(dict.fromkeys(map(str, compatibility.find_breakages(shared))))
        groups: dict[tuple[str, ...], list[str]] = {}
        for member in selectors.list_members(not_at=selectors.get_target().fingerprint, slug=only):
            history = History(replay.applied_in(cursor, member.identity.schema))
            require_known(history)
            missing = tuple(map(name_of, history.missing))
            if missing not in groups:
                breakages.update(dict.fromkeys(map(str, compatibility.find_breakages(history))))
            groups.setdefault(missing, []).append(member.identity.slug)
    return RunPlan(
        tuple(map(name_of, shared.missing)),
        tuple(Group(missing, tuple(slugs)) for missing, slugs in groups.items()),
        tuple(breakages),
    )
