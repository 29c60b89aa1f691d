"""`tenant delete` and `tenant purge`: the end of a tenant."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from shared_apps.onboarding import services
from shared_apps.onboarding.actions.base import Action, Options
from shared_apps.onboarding.actions.inspecting import show_tenant
from shared_apps.onboarding.deleting import DEFAULT_GRACE, parse_grace
from shared_apps.tenants import selectors


def _grace(text: str) -> timedelta:
    grace = parse_grace(text)
    if grace is None:
        raise ArgumentTypeError("a number with d or h behind it: 30d, 12h")
    return grace


def _add_delete_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("slug")
    parser.add_argument("--reason", default="Deleted by the operator.")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--grace", type=_grace, default=DEFAULT_GRACE, help="30d, 12h")
    when.add_argument("--now", action="store_true", help="without grace; cannot be taken back")
    parser.add_argument("--confirm", metavar="SLUG", help="the slug again; needed with --now")
    backup = parser.add_mutually_exclusive_group()
    backup.add_argument("--backup", type=Path, metavar="FILE", help="a new file, see `export`")
    backup.add_argument(
        "--without-backup", metavar="SLUG", help="the slug again: nothing of it shall be kept"
    )
    parser.add_argument("--json", action="store_true")


def _delete(options: Options, *, stdout: Any, stderr: Any) -> None:
    slug = options["slug"]
    if options["now"] and options["confirm"] != slug:
        raise CommandError(f"--now cannot be taken back: confirm it by --confirm {slug}")
    if options["without_backup"] not in (None, slug):
        raise CommandError(f"confirm that there shall be no backup by --without-backup {slug}")
    now = timezone.now()
    # One whose deletion was begun and stopped is only to be finished.
    is_begun = any(t.slug == slug for t in selectors.list_deletable(at=now))
    if not (options["now"] and is_begun):
        tenant = services.schedule_deletion(
            deletion=services.Deletion(
                slug=slug,
                reason=options["reason"],
                grace=timedelta() if options["now"] else options["grace"],
                backup=options["backup"],
                without_backup=options["without_backup"] is not None,
            ),
            at=now,
            report=stderr.write,
        )
        if not options["now"]:
            show_tenant(tenant, options, stdout=stdout)
            return
    services.purge_tenant(slug=slug, at=now)
    stdout.write(f"{slug}: deleted")


def _purge(options: Options, *, stdout: Any, stderr: Any) -> None:
    done = services.purge_due(at=timezone.now())
    for purged in done:
        stdout.write(f"{purged.slug}: {purged.error or 'deleted'}")
    if not done:
        stdout.write("nothing to delete")
    failed = [purged.slug for purged in done if purged.error]
    if failed:
        raise CommandError(f"{len(failed)} of {len(done)} could not be deleted")


ACTIONS = (
    Action(
        "delete", "stop serving a tenant now and delete it later", _delete, _add_delete_arguments
    ),
    Action("purge", "delete the tenants whose time has come; beat does it daily", _purge),
)
