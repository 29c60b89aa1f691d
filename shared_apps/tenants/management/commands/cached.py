"""`manage.py cached`: how much of each tenant's results Redis keeps (docs/caching.md)."""

import json
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shared_apps.core import context, spaces
from shared_apps.core.caching.sizes import sizes
from shared_apps.core.errors import AppError
from shared_apps.tenants import selectors


class Command(BaseCommand):
    help = "Entries and bytes of the results that are kept, by tenant and tier. Changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", nargs="?", help="its slug; without one, all of them")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, tenant: str | None, **options: Any) -> None:
        try:
            with context.operator():
                known = _tenants(tenant)
        except AppError as error:
            raise CommandError(error.text) from error
        try:
            with redis.Redis.from_url(
                settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=2
            ) as client:
                rows = [
                    {"tenant": slug, "tier": s.tier.label, "entries": s.entries, "bytes": s.bytes}
                    for slug, tenant_id in known.items()
                    for s in sizes(client, space=spaces.of(tenant_id))
                ]
        except redis.RedisError as error:
            raise CommandError(f"Redis does not answer: {error}") from None
        if options["json"]:
            self.stdout.write(json.dumps(rows))
            return
        for row in rows:
            self.stdout.write(
                "{tenant:<24} {tier:<12} {entries:>8} {bytes:>12} bytes".format(**row)
            )
        if not rows:
            self.stdout.write("Nothing is kept.")


def _tenants(slug: str | None) -> dict[str, UUID]:
    """Raises TenantNotFoundError."""
    if slug is not None:
        return {slug: selectors.get_tenant(slug=slug).id}
    return dict(selectors.list_tenants().order_by("slug").values_list("slug", "id"))
