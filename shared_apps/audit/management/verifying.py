"""`manage.py audit verify`: progress, and what was found, for people and for programs."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shared_apps.audit.anchors import comparing, keys
from shared_apps.audit.anchors.comparing import Comparison
from shared_apps.audit.anchors.keys import PublicKey, SigningKey
from shared_apps.audit.anchors.places import naming
from shared_apps.audit.anchors.reading import Reader
from shared_apps.audit.chain import verifying
from shared_apps.audit.chain.verifying import Verdict
from shared_apps.audit.management.trails import id_of, known_names
from shared_apps.core.errors import AppError, explain
from shared_apps.core.progress import Progress
from shared_apps.core.required import required

_MOST_JOBS = 64
_SHOWN = 10  # problems of a tenant; --json has all that are remembered


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--tenant", action="append", metavar="SLUG|ID", help="this one alone; may be repeated"
    )
    parser.add_argument("--jobs", type=_positive, default=2, help="processes at work (2)")
    parser.add_argument(
        "--anchors", action="append", metavar="PATH|s3://BUCKET/PREFIX",
        help="a directory of anchors, a bucket or a syslog server's log to compare with; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--public-key", metavar="FILE", type=Path,
        help="the JWK set that the anchors are signed with (AUDIT_ANCHOR_PUBLIC_KEYS)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true")


def _positive(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= _MOST_JOBS:
        raise ArgumentTypeError(f"a whole number from 1 to {_MOST_JOBS}, not {text!r}")
    return int(text)


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Exit 1 if any chain or the anchors are not whole."""
    url = required("AUDIT_AUDITOR_DATABASE_URL")
    if options["public_key"] and not options["anchors"]:
        raise CommandError("--public-key belongs to --anchors")
    names = known_names()
    tenants = None if options["tenant"] is None else [id_of(t, names) for t in options["tenant"]]
    anchored = _compare(url, options, tenants) if options["anchors"] else None
    progress = Progress(command.stderr, unit="entries")
    verdicts = verifying.verify(
        url=url, tenants=tenants, jobs=options["jobs"], report=progress.advance
    )
    progress.interrupt()
    if anchored:
        verdicts = _joined(verdicts, anchored)
    missing = set(tenants or []) - {verdict.tenant_id for verdict in verdicts}
    is_whole = _all_whole(verdicts) and not (anchored and anchored.of_anchors)
    if options["json"]:
        command.stdout.write(
            json.dumps(_described(verdicts, anchored, names, is_whole), default=str)
        )
    else:
        _tell(command, verdicts, anchored, names)
    if missing:
        raise CommandError(f"no trail of {', '.join(map(str, sorted(missing)))}")
    if not is_whole:
        raise SystemExit(1)


def _compare(url: str, options: dict[str, Any], tenants: Sequence[UUID] | None) -> Comparison:
    """Before the chains are followed: what is written meanwhile must not look like something cut off."""
    try:
        sources = naming.sources(options["anchors"])
        reader = Reader(sources, public_keys(options["public_key"]))
        compared = comparing.compare(url=url, reader=reader, tenants=tenants)
    except AppError as error:
        raise CommandError(explain(error)) from error
    if compared.last is None and not compared.of_anchors:
        raise CommandError(f"no anchor in {', '.join(options['anchors'])}")
    return compared


def public_keys(path: Path | None) -> Mapping[str, PublicKey]:
    """Those of a JWK set, else of the installation's, else the one that signs here."""
    if path or settings.AUDIT_ANCHOR_PUBLIC_KEYS:
        return keys.read_public_keys(path or Path(settings.AUDIT_ANCHOR_PUBLIC_KEYS))
    if not settings.AUDIT_ANCHOR_KEY:
        raise CommandError(
            "--public-key, or AUDIT_ANCHOR_PUBLIC_KEYS, says whose anchors to believe"
        )
    own = SigningKey.from_setting(settings.AUDIT_ANCHOR_KEY).public
    return {own.id: own}


def _joined(verdicts: list[Verdict], anchored: Comparison) -> list[Verdict]:
    """What anchors tell of a chain is one more thing that may be wrong with it; some tell of one that is gone."""
    known = {verdict.tenant_id for verdict in verdicts}
    gone = [
        Verdict(tenant_id, 0, 0, "", 0, (), False)
        for tenant_id in sorted(anchored.problems.keys() - known)
    ]
    return [
        replace(
            verdict,
            problems=tuple(
                sorted(
                    [*verdict.problems, *anchored.problems.get(verdict.tenant_id, [])],
                    key=lambda problem: problem.sequence,
                )
            ),
        )
        for verdict in [*verdicts, *gone]
    ]


def _described(
    verdicts: list[Verdict], anchored: Comparison | None, names: Mapping[UUID, str], is_whole: bool
) -> dict[str, Any]:
    proven = anchored.proven if anchored else {}
    chains = [
        {"tenant": names.get(v.tenant_id, ""), **asdict(v), "anchored": proven.get(v.tenant_id)}
        for v in verdicts
    ]
    described: dict[str, Any] = {"whole": is_whole, "chains": chains}
    if anchored:
        described["anchors"] = {
            "first": asdict(anchored.first) if anchored.first else None,
            "last": asdict(anchored.last) if anchored.last else None,
            "problems": anchored.of_anchors,
        }
    return described


def _all_whole(verdicts: list[Verdict]) -> bool:
    return not any(verdict.problems for verdict in verdicts)


def _tell(
    command: BaseCommand,
    verdicts: list[Verdict],
    anchored: Comparison | None,
    names: Mapping[UUID, str],
) -> None:
    for verdict in verdicts:
        state = "BROKEN" if verdict.problems else "ok"
        name = names.get(verdict.tenant_id, str(verdict.tenant_id))
        pruned = f"  pruned up to {verdict.pruned}" if verdict.pruned else ""
        up_to = f"  anchored up to {anchored.proven.get(verdict.tenant_id, 0)}" if anchored else ""
        command.stdout.write(
            f"{state:<8}{name:<42}{verdict.entries:>12} entries  {verdict.hash[:16]}{pruned}{up_to}"
        )
        for problem in verdict.problems[:_SHOWN]:
            detail = f": {problem.detail}" if problem.detail else ""
            command.stdout.write(f"        {problem.numbers} {problem.kind}{detail}")
        if len(verdict.problems) > _SHOWN or verdict.has_more:
            command.stdout.write("        and more; see --json")
    if anchored:
        _tell_of_anchors(command, anchored)
    broken = sum(bool(verdict.problems) for verdict in verdicts)
    total = sum(verdict.entries for verdict in verdicts)
    command.stdout.write(
        f"{total} entries in {len(verdicts)} chains, {f'{broken} broken' if broken else 'all whole'}"
    )


def _tell_of_anchors(command: BaseCommand, anchored: Comparison) -> None:
    state = "BROKEN" if anchored.of_anchors else "ok"
    first, last = anchored.first, anchored.last
    which = (
        f"{first.counter}-{last.counter}, the last of {last.taken_at:%Y-%m-%d %H:%M:%S}"
        if first and last
        else "none that can be believed"
    )
    command.stdout.write(f"{state:<8}anchors {which}")
    for problem in anchored.of_anchors[:_SHOWN]:
        command.stdout.write(f"        {problem}")
    if len(anchored.of_anchors) > _SHOWN:
        command.stdout.write("        and more; see --json")
