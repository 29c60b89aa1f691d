"""`tenant sync`: a tenant's people compared with its directory."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.management.base import CommandError
from django.utils import timezone

from shared_apps.core import context
from shared_apps.directory_sync import applying, selectors, services
from shared_apps.directory_sync.choices import State
from shared_apps.directory_sync.condition import Status, status_of
from shared_apps.directory_sync.serializers import (
    ItemSerializer,
    PreviewSerializer,
    StatusSerializer,
)
from shared_apps.onboarding.actions.base import Action, Options, write_json
from shared_apps.onboarding.actions.rendering import printable
from shared_apps.tenants import selectors as tenants

if TYPE_CHECKING:
    from datetime import datetime

    from shared_apps.directory_sync.models import SyncItem, SyncPreview

_ACTIONS_HELP = {
    "status": "when the people were compared last, and what came of it",
    "preview": "read the directory and show what differs; changes nothing",
    "list": "the previews that there are, the latest first",
    "show": "one of them, record by record",
    "approve": "agree to what is selected in one",
    "reject": "have it never applied",
    "apply": "carry out one that is approved, all of it or nothing",
    "undo": "have everybody stand as before one that was applied",
}


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("slug")
    actions = parser.add_subparsers(dest="sync_action", required=True, metavar="ACTION")
    for name, text in _ACTIONS_HELP.items():
        own = actions.add_parser(name, help=text)
        own.add_argument("--json", action="store_true")
        if name == "preview":
            own.add_argument(
                "--full",
                action="store_true",
                help="compare everybody, not only who has changed in the directory",
            )
        if name not in ("status", "preview", "list"):
            own.add_argument("id", type=UUID)
        if name in ("approve", "apply"):
            own.add_argument(
                "--fingerprint", required=True, help="of the preview as you have seen it"
            )
        if name == "apply":
            own.add_argument(
                "--override-reason",
                default="",
                metavar="TEXT",
                help="have it applied although it shuts out many people, or the directory is empty",
            )


def _run(options: Options, *, stdout: Any, stderr: Any) -> None:
    tenant = tenants.get_tenant(slug=options["slug"])
    if options["sync_action"] == "status":
        _show_status(status_of(tenant_id=tenant.id), options, stdout)
        return
    if options["sync_action"] == "list":
        with context.operator():
            found = list(selectors.list_previews(tenant_id=tenant.id))
        if options["json"]:
            write_json(stdout, PreviewSerializer(found, many=True).data)
            return
        for one in found:
            stdout.write(
                f"{one.id}  {one.state:<9} {one.requested_at:%Y-%m-%d %H:%M}  {_counts(one)}"
            )
        return
    preview = _CARRIED_OUT[options["sync_action"]](tenant.id, options)
    _show(preview, options, stdout)
    if preview.state == State.FAILED:
        raise CommandError(f"there is no preview: {preview.failure}")


def _preview(tenant_id: UUID, options: Options) -> "SyncPreview":
    return services.request_preview(
        tenant_id=tenant_id, by=None, at=timezone.now(), in_background=False,
        is_full=options["full"],
    )  # fmt: skip


def _get(tenant_id: UUID, options: Options) -> "SyncPreview":
    return selectors.get_preview(tenant_id=tenant_id, preview_id=options["id"])


def _approve(tenant_id: UUID, options: Options) -> "SyncPreview":
    return services.approve(
        tenant_id=tenant_id, preview_id=options["id"], fingerprint=options["fingerprint"],
        by=None, at=timezone.now(),
    )  # fmt: skip


def _reject(tenant_id: UUID, options: Options) -> "SyncPreview":
    return services.reject(
        tenant_id=tenant_id, preview_id=options["id"], by=None, at=timezone.now()
    )


def _apply(tenant_id: UUID, options: Options) -> "SyncPreview":
    return applying.apply(
        tenant_id=tenant_id, preview_id=options["id"], fingerprint=options["fingerprint"],
        by=None, override_reason=options["override_reason"], at=timezone.now(),
    )  # fmt: skip


def _undo(tenant_id: UUID, options: Options) -> "SyncPreview":
    return applying.undo(tenant_id=tenant_id, preview_id=options["id"], by=None, at=timezone.now())


_CARRIED_OUT: dict[str, Callable[[UUID, Options], "SyncPreview"]] = {
    "preview": _preview,
    "show": _get,
    "approve": _approve,
    "reject": _reject,
    "apply": _apply,
    "undo": _undo,
}


def _show(preview: "SyncPreview", options: Options, stdout: Any) -> None:
    shows_items = options["sync_action"] in ("preview", "show")
    with context.operator():
        items = list(selectors.list_items(preview=preview)) if shows_items else []
    if options["json"]:
        shown = dict(PreviewSerializer(preview).data)
        if shows_items:
            shown["items"] = ItemSerializer(items, many=True).data
        write_json(stdout, shown)
        return
    for item in items:
        for line in _lines(item):
            stdout.write(line)
    stdout.write(f"{preview.id}  {preview.state}{' (undone)' if preview.undone_at else ''}")
    of = "in the directory" if preview.is_complete else "that have changed in the directory"
    stdout.write(f"{_counts(preview)}, of {preview.source_count} {of}")
    for danger in preview.dangers:
        stdout.write(f"DANGEROUS: {danger}")
    stdout.write(f"fingerprint {preview.fingerprint}")


def _show_status(status: Status, options: Options, stdout: Any) -> None:
    if options["json"]:
        write_json(stdout, StatusSerializer(status).data)
        return
    applied = ", applied by itself within its ceilings" if status.applies_by_itself else ""
    stdout.write(f"schedule  {status.schedule or 'none'}{applied}")
    stdout.write(f"compared  {_moment(status.compared_at)}")
    stdout.write(f"applied   {_moment(status.applied_at)}")
    stdout.write(f"waiting   {status.waiting_count}")
    if status.problem:
        stdout.write(f"PROBLEM: {printable(status.problem)}")


def _moment(at: "datetime | None") -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "never"


def _counts(preview: "SyncPreview") -> str:
    return (
        f"{preview.new_count} new, {preview.modified_count} modified, {preview.deleted_count} gone"
    )


def _lines(item: "SyncItem") -> list[str]:
    chosen = " " if item.is_selected else "-"
    lines = [f"{chosen} {item.kind:<9} {printable(item.label)}"]
    for name, change in item.fields.items():
        mark = "!" if change["conflict"] else " " if change["selected"] else "-"
        old, new = printable(change["old"]), printable(change["new"])
        lines.append(f"  {mark} {name}: {old} -> {new}")
    return lines


ACTIONS = (Action("sync", "a tenant's people compared with its directory", _run, _add_arguments),)
