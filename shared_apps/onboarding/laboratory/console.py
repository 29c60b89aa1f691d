"""`manage.py tenant run-leak-lab`: arguments, progress and report."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from shared_apps.onboarding.laboratory import laboratory, scratch
from shared_apps.onboarding.laboratory.report import Report

_SHOWN_LEAKS = 50


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--probe",
        action="append",
        choices=list(laboratory.PROBES),
        help="may be repeated; default: all",
    )
    parser.add_argument(
        "--domain-suffix",
        default="invalid",
        help="the two tenants answer at names below this one, in this process only (default: %(default)s)",
    )
    parser.add_argument(
        "--yes", action="store_true", help="also where FREEHOLD_ENVIRONMENT is production"
    )
    parser.add_argument("--json", action="store_true")


def run(options: dict[str, Any], *, stdout: OutputWrapper, stderr: OutputWrapper) -> None:
    """Make two tenants, examine them, remove them.

    Raises:
        CommandError: something leaked, or the laboratory may not run here.
    """
    if settings.ENVIRONMENT_NAME == "production" and not options["yes"]:
        raise CommandError(
            "This makes two tenants for a few minutes and leaves their entries in the audit database."
            " Say --yes to do so on a production system."
        )
    report = Report()
    names = options["probe"] or list(laboratory.PROBES)
    with scratch.pair(domain_suffix=options["domain_suffix"], at=timezone.now()) as pair:
        for record in laboratory.run(pair, names):
            report.records.append(record)
            stderr.write(
                f"{record.probe:<16}{record.checks:>8} checks  {len(record.leaks):>4} leaks",
                style_func=str,
            )
    if options["json"]:
        stdout.write(json.dumps(report.as_dict()))
    else:
        for leak in report.leaks[:_SHOWN_LEAKS]:
            stdout.write(f"LEAK {leak.probe}: {leak.subject}: {leak.problem}")
        if report.is_tight:
            checks = sum(record.checks for record in report.records)
            stdout.write(f"tight: {checks} checks, nothing of one tenant reached the other")
    if not report.is_tight:
        raise CommandError(f"{len(report.leaks)} leaks")
