"""`manage.py audit reconcile`: whose rows are not what the trail says, for people and for programs."""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connections

from shared_apps.audit.reconciling import checking
from shared_apps.audit.reconciling.checking import Result, Subject, TableResult
from shared_apps.audit.reconciling.live import MIGRATION_ALIAS
from shared_apps.core import context
from shared_apps.core.errors import AppError, explain
from shared_apps.core.progress import Progress
from shared_apps.core.required import SettingMissingError

_SHOWN = 10  # differences of a table; --json has a thousand


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--tenant", action="append", metavar="SLUG", help="this one alone; may be repeated"
    )
    parser.add_argument(
        "--table", action="append", metavar="NAME", help="this one alone; may be repeated"
    )
    parser.add_argument("--json", action="store_true")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Exit 1 if any row is not what the trail says."""
    _require_possible()
    tables: Sequence[str] = options["table"] or checking.known_tables()
    if unknown := sorted(set(tables) - set(checking.known_tables())):
        raise CommandError(f"no audited table of tenants: {', '.join(unknown)}")
    try:
        results = _reconcile(command, _subjects(options["tenant"]), tables)
    except (AppError, Error) as error:
        raise CommandError(explain(error)) from error
    is_equal = all(result.is_equal for result in results)
    if options["json"]:
        described = [asdict(result) for result in results]
        command.stdout.write(json.dumps({"equal": is_equal, "tenants": described}, default=str))
    else:
        _tell(command.stdout.write, results)
    if not is_equal:
        raise SystemExit(1)


def _require_possible() -> None:
    if settings.DATABASE_SHARDING == "citus":
        raise CommandError(
            "not on a cluster: every node numbers its own transactions, so no moment can be named"
        )
    users = {settings.DATABASES[alias]["USER"] for alias in ("default", MIGRATION_ALIAS)}
    if len(users) == 1:
        raise SettingMissingError.named(
            "MIGRATION_DATABASE_URL", why="the application's own login cannot read the outboxes"
        )


def _subjects(slugs: Sequence[str] | None) -> list[Subject]:
    """Every tenant that has a schema, or those named."""
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute(
            "SELECT id, slug, schema_name FROM public.tenants_tenant"
            " WHERE to_regclass(quote_ident(schema_name) || '.audit_outbox') IS NOT NULL ORDER BY slug"
        )
        found = [Subject(*row) for row in cursor.fetchall()]
    if slugs is None:
        return found
    if missing := sorted(set(slugs) - {subject.slug for subject in found}):
        raise CommandError(f"there is no tenant with a schema called {', '.join(missing)}")
    return [subject for subject in found if subject.slug in slugs]


def _reconcile(
    command: BaseCommand, subjects: Sequence[Subject], tables: Sequence[str]
) -> list[Result]:
    progress = Progress(command.stderr, unit="rows")
    expected, done = _expected_rows(subjects, tables), 0

    def report(count: int) -> None:
        nonlocal done
        done += count
        progress.advance(done, max(expected, done, 1))

    results = [checking.reconcile(subject, tables=tables, report=report) for subject in subjects]
    progress.interrupt()
    return results


def _expected_rows(subjects: Sequence[Subject], tables: Sequence[str]) -> int:
    """As the statistics have it; only for the progress."""
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM unnest(%s::text[]) s(name)"
            " CROSS JOIN unnest(%s::text[]) t(name)"
            " JOIN pg_class c ON c.oid = to_regclass(quote_ident(s.name) || '.' || quote_ident(t.name))",
            [[subject.schema for subject in subjects], list(tables)],
        )
        return int(cursor.fetchone()[0])


def _tell(write: Callable[[str], object], results: Sequence[Result]) -> None:
    for result in results:
        for table in result.tables:
            state = "DIFFERS" if table.count else "ok"
            name = f"{result.slug} {table.table}"
            write(f"{state:<9}{name:<60}{table.rows:>12} rows  {table.digest[:16]}")
            _tell_differences(write, table)
        if unproven := sum(table.unproven for table in result.tables):
            write(
                f"         {result.slug}: {unproven} rows are older than the trail ({result.baseline})"
            )
        if result.waiting:
            write(
                f"         {result.slug}: {result.waiting} changes still wait in the outbox; they were compared too"
            )
    differing = sum(not result.is_equal for result in results)
    rows = sum(table.rows for result in results for table in result.tables)
    write(
        f"{rows} rows of {len(results)} tenants, "
        + (f"{differing} tenants differ from their trail" if differing else "all as in the trail")
    )


def _tell_differences(write: Callable[[str], object], table: TableResult) -> None:
    for found in table.differences[:_SHOWN]:
        columns = f": {', '.join(found.columns)}" if found.columns else ""
        write(f"         {found.record_id} {found.kind}{columns}")
    if table.count > _SHOWN:
        write(f"         and {table.count - _SHOWN} more; see --json")
