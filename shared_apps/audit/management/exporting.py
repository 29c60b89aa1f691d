"""`manage.py audit export`: entries as a file that proves itself."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from shared_apps.audit import people, services
from shared_apps.audit.chain import links
from shared_apps.audit.choices import Access
from shared_apps.audit.errors import ExportError
from shared_apps.audit.exports import files
from shared_apps.audit.exports.entries import ChainRead, last_number
from shared_apps.audit.exports.files import Written
from shared_apps.audit.exports.rendering import FORMATS
from shared_apps.audit.exports.writing import Export
from shared_apps.audit.management.trails import id_of, known_names
from shared_apps.audit.selectors import EntryFilter
from shared_apps.audit.serializers import OPERATIONS
from shared_apps.core.errors import explain
from shared_apps.core.progress import Progress
from shared_apps.core.required import required


def add_arguments(parser: ArgumentParser) -> None:
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument(
        "--tenant", action="append", metavar="SLUG|ID", help="whose entries; may be repeated"
    )
    whose.add_argument("--all", action="store_true", help="the entries of everybody, in one file")
    parser.add_argument("--format", choices=sorted(FORMATS), default="jsonl")
    parser.add_argument("--from", dest="since", type=_moment, metavar="TIME", help="ISO 8601")
    parser.add_argument("--to", dest="until", type=_moment, metavar="TIME", help="exclusive")
    parser.add_argument("--entity", metavar="APP.MODEL")
    parser.add_argument("--record", metavar="ID")
    parser.add_argument("--user", metavar="EMAIL|ID")
    parser.add_argument("--operation", type=str.upper, choices=OPERATIONS)
    parser.add_argument("--request-id")
    parser.add_argument(
        "--after", type=_number, default=0, metavar="SEQUENCE", help="go on after this entry"
    )
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="- for standard output")
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument(
        "--json", action="store_true", help="report as JSON, beside the file or on standard error"
    )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"a date and time as 2026-11-21T10:00:00Z, not {text!r}") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _number(text: str) -> int:
    if not text.isdigit():
        raise ArgumentTypeError(f"a whole number, not {text!r}")
    return int(text)


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Nothing is left behind when it fails."""
    url = required("AUDIT_AUDITOR_DATABASE_URL")
    target = None if options["output"] == "-" else Path(options["output"])
    try:
        if target is not None:
            files.refuse_existing(target)
        with links.connect(url) as connection:
            chains = _chains(connection, options)
            if options["after"] and len(chains) > 1:
                raise CommandError("--after is of one chain; name one tenant")
            _record(command, chains, options)
            export = _export(command, connection, chains, options)
            written = _write(target, export, compress=options["gzip"])
    except BrokenPipeError:
        # Whoever read it went away. Nothing more can be said there, not even at exit.
        sys.stdout = None
        raise CommandError("the reader of standard output went away") from None
    except ExportError as error:
        raise CommandError(error.text) from error
    _report(command, options, written, export.manifest)


def _chains(connection: psycopg.Connection[Any], options: Mapping[str, Any]) -> list[ChainRead]:
    names = known_names()
    if options["all"]:
        rows = connection.execute("SELECT tenant_id FROM audit.chain ORDER BY tenant_id").fetchall()
        tenants: list[UUID] = [row[0] for row in rows]
    else:
        tenants = list(dict.fromkeys(id_of(text, names) for text in options["tenant"]))
    where = EntryFilter(
        entity_type=options["entity"],
        record_id=options["record"],
        operation=options["operation"],
        modified_by=people.author_of(options["user"]) if options["user"] else None,
        request_id=options["request_id"],
        since=options["since"],
        until=options["until"],
    )
    chains = [
        ChainRead(tenant, where, options["after"], last_number(connection, tenant))
        for tenant in tenants
    ]
    if empty := [str(chain.tenant_id) for chain in chains if not chain.last]:
        if options["all"]:
            return [chain for chain in chains if chain.last]
        raise CommandError(f"no trail of {', '.join(empty)}")
    return chains


def _record(command: BaseCommand, chains: list[ChainRead], options: Mapping[str, Any]) -> None:
    """Say in each trail that it was exported, before the first byte, where the application's database answers.

    An auditor may work where it cannot be asked, with a login of the audit database that reads without this
    command too; there nothing is refused.
    """
    if not chains:
        return
    try:
        services.record_access(
            access=Access.AUDIT,
            resource="export",
            shown={chain.tenant_id: max(chain.last - chain.after, 0) for chain in chains},
            query={"format": options["format"], "after": options["after"]}
            | {name: value for name, value in asdict(chains[0].where).items() if value is not None},
        )
    except Error as error:
        command.stderr.write(f"This export leaves no entry in the trail: {explain(error)}")


def _export(
    command: BaseCommand,
    connection: psycopg.Connection[Any],
    chains: list[ChainRead],
    options: Mapping[str, Any],
) -> Export:
    @contextmanager
    def reading(tenant_id: UUID) -> Iterator[psycopg.Connection[Any]]:
        yield connection

    progress = Progress(command.stderr, unit="entries")
    total = sum(max(chain.last - chain.after, 0) for chain in chains)
    return Export(
        format=FORMATS[options["format"]],
        reading=reading,
        chains=chains,
        exported_at=datetime.now(UTC),
        report=lambda done: progress.advance(done, total),
    )


def _write(target: Path | None, export: Export, *, compress: bool) -> Written:
    if target is not None:
        return files.write_whole(target, export, compress=compress)
    written = files.write_parts(sys.stdout.buffer, export, compress=compress)
    sys.stdout.buffer.flush()
    return written


def _report(
    command: BaseCommand, options: Mapping[str, Any], written: Written, manifest: dict[str, Any]
) -> None:
    stream = command.stderr if options["output"] == "-" else command.stdout
    if options["json"]:
        said = {
            "file": options["output"],
            "bytes": written.bytes,
            "file_sha256": written.sha256,
            "manifest": manifest,
        }
        stream.write(json.dumps(said))
        return
    for chain in manifest["chains"]:
        if chain["entries"]:
            numbers = f"{chain['first_sequence']} to {chain['last_sequence']}"
            gaps = "" if chain["is_whole"] else " (a selection)"
            stream.write(f"{chain['tenant_id']}: {chain['entries']} entries, {numbers}{gaps}")
            stream.write(f"    last hash {chain['hash']}")
    stream.write(f"{manifest['entries']} entries, {written.bytes} bytes, SHA-256 {written.sha256}")
