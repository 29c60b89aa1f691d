"""Figures of the relay, as it tells them of itself; without a relay there are none."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from prometheus_client import Counter, Gauge

MOVED = Counter("freehold_audit_moved_total", "Changes that were moved into the audit database.")
WAITING = Gauge(
    "freehold_audit_outboxes_waiting",
    "Outboxes that hold changes which are not in the audit database yet.",
    multiprocess_mode="livesum",
)
OLDEST = Gauge(
    "freehold_audit_oldest_waiting_seconds",
    "Age of the oldest change that is not in the audit database yet.",
    multiprocess_mode="livemax",
)
FAILING = Gauge(
    "freehold_audit_outboxes_failing",
    "Outboxes whose changes cannot be moved.",
    multiprocess_mode="livesum",
)
RELAYS = Gauge("freehold_audit_relays", "Relays that are at work.", multiprocess_mode="livesum")
AWAY = Counter("freehold_audit_relay_interruptions_total", "Times that a relay lost a database.")


def report(*, waiting: Mapping[str, datetime], failing: Mapping[str, Any]) -> None:
    RELAYS.set(1)
    WAITING.set(len(waiting))
    FAILING.set(len(failing))
    oldest = min(waiting.values(), default=None)
    OLDEST.set((datetime.now(UTC) - oldest).total_seconds() if oldest else 0)
