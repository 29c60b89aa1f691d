"""`manage.py audit proof`: some entries of a tenant with what proves them, for whoever has the public key alone."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from shared_apps.audit import services
from shared_apps.audit.anchors.places import naming
from shared_apps.audit.anchors.reading import Reader
from shared_apps.audit.chain import links
from shared_apps.audit.choices import Access
from shared_apps.audit.exports import files
from shared_apps.audit.management.trails import id_of, known_names
from shared_apps.audit.management.verifying import public_keys
from shared_apps.audit.proofs import checking, writing
from shared_apps.audit.proofs.checking import Outcome
from shared_apps.audit.proofs.lines import runs
from shared_apps.core.errors import explain
from shared_apps.core.progress import Progress
from shared_apps.core.required import required

_MOST = 1_000_000  # entries that one proof may be asked for
_SHOWN = 10  # problems; --json has all that are remembered


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--tenant", metavar="SLUG|ID", help="whose entries")
    parser.add_argument("--record", metavar="ID", help="all entries of a record")
    parser.add_argument("--entity", metavar="APP.MODEL", help="with --record: of which kind it is")
    parser.add_argument(
        "--sequence",
        type=_numbers,
        metavar="N[-M]",
        help="the entry of a number, or from one to another",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    parser.add_argument(
        "--anchors", action="append", metavar="PATH|s3://BUCKET/PREFIX",
        help="where the anchors are (the directories and buckets of AUDIT_ANCHOR_PLACES)",
    )  # fmt: skip
    parser.add_argument(
        "--check",
        type=Path,
        metavar="FILE",
        help="instead: whether a proof holds; asks no database",
    )
    parser.add_argument(
        "--key", "--public-key", dest="public_key", type=Path, metavar="FILE",
        help="the JWK set that the anchors are signed with (AUDIT_ANCHOR_PUBLIC_KEYS)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true")


def _numbers(text: str) -> range:
    first, is_range, last = text.partition("-")
    if not first.isdigit() or not (last if is_range else first).isdigit():
        raise ArgumentTypeError(f"a number as 12, or two as 12-20, not {text!r}")
    found = range(int(first), int(last if is_range else first) + 1)
    if not found or found.start < 1 or len(found) > _MOST:
        raise ArgumentTypeError(f"1 to {_MOST} entries, the first of which is 1; not {text!r}")
    return found


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Exit 1 if a proof that is checked does not hold."""
    made = ("tenant", "record", "entity", "sequence", "output", "anchors")
    if options["check"] is not None:
        if given := [name for name in made if options[name] is not None]:
            raise CommandError(f"--{given[0]} does not belong to --check")
        _check(command, options)
        return
    if options["tenant"] is None or options["output"] is None:
        raise CommandError("--tenant and -o say whose entries are proven and in which file")
    if (options["record"] is None) == (options["sequence"] is None):
        raise CommandError("--record or --sequence says which entries")
    if options["entity"] and options["record"] is None:
        raise CommandError("--entity belongs to --record")
    _make(command, options)


def _make(command: BaseCommand, options: Mapping[str, Any]) -> None:
    files.refuse_existing(options["output"])
    tenant_id = id_of(options["tenant"], known_names())
    reader = Reader(naming.sources(options["anchors"]), public_keys(options["public_key"]))
    with links.connect(required("AUDIT_AUDITOR_DATABASE_URL")) as connection:
        numbers = _asked(connection, tenant_id, options)
        stretches = writing.find_stretches(reader, tenant_id, numbers)
        _record(command, tenant_id, numbers, options)
        progress = Progress(command.stderr, unit="entries")
        proof = writing.Proof(connection, tenant_id, numbers, stretches, progress.advance)
        written = files.write_whole(options["output"], proof, compress=False)
        progress.interrupt()
    said = {
        "file": str(options["output"]),
        "bytes": written.bytes,
        "file_sha256": written.sha256,
        "tenant_id": str(tenant_id),
        "entries": len(numbers),
        "entries_in_file": proof.entries,
        "anchored_up_to": stretches[-1].last,
    }
    if options["json"]:
        command.stdout.write(json.dumps(said))
        return
    beside = proof.entries - len(numbers)
    command.stdout.write(
        f"{len(numbers)} entries, with {beside} more that lead to the anchors, {written.bytes} bytes,"
        f" SHA-256 {written.sha256}"
    )


def _asked(
    connection: psycopg.Connection[Any], tenant_id: UUID, options: Mapping[str, Any]
) -> Sequence[int]:
    if options["sequence"] is not None:
        found: range = options["sequence"]
        return found
    return writing.numbers_of_record(
        connection, tenant_id, record_id=options["record"], entity=options["entity"]
    )


def _record(
    command: BaseCommand, tenant_id: UUID, numbers: Sequence[int], options: Mapping[str, Any]
) -> None:
    """Say in the trail that it was read, as an export does."""
    try:
        services.record_access(
            access=Access.AUDIT,
            resource="proof",
            shown={tenant_id: len(numbers)},
            query={"record_id": options["record"]}
            if options["record"]
            else {"sequence": runs(numbers)},
        )
    except Error as error:
        command.stderr.write(f"This proof leaves no entry in the trail: {explain(error)}")


def _check(command: BaseCommand, options: Mapping[str, Any]) -> None:
    outcome = checking.check(options["check"], public_keys(options["public_key"]))
    if options["json"]:
        said = {"proven": not outcome.problems, **asdict(outcome)}
        command.stdout.write(json.dumps(said, default=str))
    else:
        _tell(command, outcome)
    if outcome.problems:
        raise SystemExit(1)


def _tell(command: BaseCommand, outcome: Outcome) -> None:
    for one in outcome.proven:
        command.stdout.write(
            f"entries {one.first} to {one.last} were there on {one.anchored_at:%Y-%m-%d %H:%M:%S} UTC,"
            f" anchor {one.anchor}"
        )
    for problem in outcome.problems[:_SHOWN]:
        command.stdout.write(f"BROKEN  {problem}")
    if len(outcome.problems) > _SHOWN or outcome.has_more:
        command.stdout.write("        and more; see --json")
    if not outcome.problems and outcome.head is not None:
        numbers = ", ".join(
            f"{first}" if first == last else f"{first}-{last}"
            for first, last in outcome.head.asked[:_SHOWN]
        )
        more = ", …" if len(outcome.head.asked) > _SHOWN else ""
        command.stdout.write(f"ok      {outcome.head.tenant_id}: {numbers}{more} proven")
