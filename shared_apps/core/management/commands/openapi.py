"""The OpenAPI document, without a server."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema
from rest_framework.settings import api_settings

from shared_apps.core.openapi import documents

VERSIONS = tuple(str(version) for version in api_settings.ALLOWED_VERSIONS or ())


class Command(BaseCommand):
    help = "Write the OpenAPI document of a host and version, or check all of them."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", choices=sorted(documents.HOSTS), default="tenant")
        parser.add_argument("--api-version", choices=VERSIONS, default=VERSIONS[-1])
        parser.add_argument("--format", choices=("json", "yaml"), default="json")
        parser.add_argument("-o", "--output", type=Path, help="a file (default: standard output)")
        parser.add_argument(
            "--check", action="store_true",
            help="of every host and version: valid, and nothing that could not be described",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            return self._check()
        urlconf = documents.HOSTS[options["host"]]
        content = documents.rendered(
            urlconf=urlconf, version=options["api_version"], form=options["format"]
        )
        if options["output"] is None:
            sys.stdout.buffer.write(content)
            return None
        try:
            options["output"].write_bytes(content)
        except OSError as error:
            raise CommandError(f"{options['output']}: {error.strerror}") from None
        return None

    def _check(self) -> None:
        bad = []
        for version in VERSIONS:
            for host, urlconf in documents.HOSTS.items():
                document = documents.make(urlconf=urlconf, version=version)
                # They have been printed as they were met.
                if GENERATOR_STATS:
                    GENERATOR_STATS.emit_summary()
                    bad.append(f"{version} of the {host} host")
                validate_schema(document)
                count = sum(len(methods) for methods in document["paths"].values())
                self.stdout.write(f"{version} of the {host} host: {count} operations")
        if bad:
            raise CommandError(f"Not everything can be described: {', '.join(bad)}.")
