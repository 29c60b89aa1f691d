"""What the doctor finds wrong with the way of changes into the audit database."""

from collections.abc import Iterator

from django.conf import settings

from shared_apps.audit import condition
from shared_apps.core.doctor import Finding

_TOO_OLD = 300.0  # seconds


def find_faults() -> Iterator[Finding]:
    if not settings.RELAY_DATABASE_URL:
        return
    found = condition.examine()
    for failure in found.failing:
        yield Finding(
            failure["schema"],
            f"its changes cannot be moved since {failure['since']}: {failure['reason']}",
            "repair that; the relay goes on by itself",
        )
    for schema in found.closed:
        yield Finding(
            schema,
            "the relay may not empty its audit_outbox",
            "manage.py tenant repair, or see why it is half made",
        )
    if found.oldest_seconds > _TOO_OLD:
        slowest = found.waiting[0]
        relays = sum(relay.is_alive for relay in found.relays)
        yield Finding(
            slowest.schema,
            f"{slowest.rows} changes wait, the oldest for {slowest.oldest_seconds:.0f} s;"
            f" {relays} relays are at work",
            "start `manage.py audit relay`" if found.free_shards else "start more relays",
        )
