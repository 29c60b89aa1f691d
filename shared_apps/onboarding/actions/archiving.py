"""`tenant export`, `tenant restore` and `tenant verify-archive`: a tenant as one file."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from shared_apps.onboarding import services
from shared_apps.onboarding.actions.base import Action, Options, write_json
from shared_apps.onboarding.actions.inspecting import show_tenant
from shared_apps.onboarding.archive.manifest import Manifest
from shared_apps.onboarding.archive.replaying import parse_moment
from shared_apps.onboarding.errors import MomentInvalidError

PASSPHRASE = "ARCHIVE_PASSPHRASE"  # noqa: S105 (a variable's name)
_SHORTEST_PASSPHRASE = 16


def _add_export_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("slug")
    parser.add_argument("-o", "--output", required=True, type=Path, help="a new file")
    parser.add_argument(
        "--with-secrets",
        action="store_true",
        help=f"of its sign-in and mail, sealed with the passphrase in {PASSPHRASE}",
    )
    parser.add_argument("--json", action="store_true")


def _export(options: Options, *, stdout: Any, stderr: Any) -> None:
    manifest = services.export_tenant(
        slug=options["slug"], path=options["output"], at=timezone.now(), report=stderr.write,
        passphrase=_passphrase() if options["with_secrets"] else "",
    )  # fmt: skip
    _show(manifest, options, stdout=stdout)


def _add_restore_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path)
    parser.add_argument("--as", dest="slug", metavar="SLUG", help="another name")
    parser.add_argument(
        "--domain",
        action="append",
        default=[],
        help="instead of the archive's; the first is primary",
    )
    parser.add_argument(
        "--until",
        type=_moment,
        metavar="TIME",
        help="rows as of this later moment, from the audit trail: 2026-05-04T10:30:00+02:00",
    )
    parser.add_argument(
        "--with-secrets",
        action="store_true",
        help=f"that the archive holds; the passphrase is in {PASSPHRASE}",
    )
    parser.add_argument(
        "--despite-lost-key",
        action="store_true",
        help="though people were erased since, under a SECRET_KEY that is lost: it may bring them back",
    )
    parser.add_argument("--json", action="store_true")


def _moment(text: str) -> datetime:
    try:
        return parse_moment(text)
    except MomentInvalidError as error:
        raise ArgumentTypeError(error.text) from None


def _restore(options: Options, *, stdout: Any, stderr: Any) -> None:
    tenant = services.restore_tenant(
        path=options["file"],
        slug=options["slug"],
        domains=tuple(options["domain"]),
        until=options["until"],
        despite_lost_key=options["despite_lost_key"],
        passphrase=_passphrase() if options["with_secrets"] else "",
        at=timezone.now(),
        report=stderr.write,
    )
    show_tenant(tenant, options, stdout=stdout)


def _passphrase() -> str:
    """Never an argument, which everybody on the machine can read."""
    found: str = settings.ARCHIVE_PASSPHRASE
    if not found:
        raise CommandError(f"{PASSPHRASE} is not set (nor {PASSPHRASE}_FILE)")
    if len(found) < _SHORTEST_PASSPHRASE:
        raise CommandError(f"{PASSPHRASE} needs at least {_SHORTEST_PASSPHRASE} characters")
    return found


def _add_verify_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true")


def _verify(options: Options, *, stdout: Any, stderr: Any) -> None:
    _show(services.verify_archive(options["file"]), options, stdout=stdout)


def _show(manifest: Manifest, options: Options, *, stdout: Any) -> None:
    described = {
        "slug": manifest.declared["slug"],
        "id": manifest.tenant_id,
        "state": manifest.state,
        "exported_at": manifest.exported_at,
        "rows_of": manifest.moment.at,
        "version": manifest.version,
        "fingerprint": manifest.fingerprint,
        "tables": len(manifest.tables),
        "rows": sum(table.rows for table in manifest.tables),
        "files": manifest.files,
        "people": manifest.people,
        "audit_entries": manifest.audit_entries,
        "audit_pending": manifest.audit_pending,
        "secrets": bool(manifest.secrets),
    }
    if options["json"]:
        write_json(stdout, described)
        return
    for name, value in described.items():
        stdout.write(f"{name:<16} {value}")


ACTIONS = (
    Action("export", "write a tenant into one new file", _export, _add_export_arguments),
    Action("restore", "make the tenant of such a file", _restore, _add_restore_arguments),
    Action(
        "verify-archive",
        "whether such a file is whole and unchanged",
        _verify,
        _add_verify_arguments,
    ),
)
