"""A tenant's share of this process: how many of its requests are worked on at a time.

Each request holds a thread and a database connection. Without a share a tenant whose requests are slow
would end up holding all of them, and everybody else would wait for it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from shared_apps.tenants.errors import TenantBusyError

# A burst of a tenant's own is worked off, one after the other; a client waits longer than this anyway.
PATIENCE_SECONDS = 10.0
# More than these are refused at once: each that waits holds a thread, too.
QUEUE_LENGTH = 300


@dataclass(slots=True)
class _Share:
    changed: threading.Condition
    active: int = 0
    waiting: int = 0


class Shares:
    """Counts requests per tenant; knows only tenants that have some. `patience` is in seconds."""

    def __init__(self, *, patience: float = PATIENCE_SECONDS, queue: int = QUEUE_LENGTH) -> None:
        self._patience = patience
        self._queue = queue
        self._lock = threading.Lock()
        self._shares: dict[UUID, _Share] = {}

    def take(self, tenant_id: UUID, *, limit: int) -> Callable[[], None]:
        """A place among the `limit` of this tenant; call the result to give it back.

        Raises:
            TenantBusyError: none became free in time, or too many wait already.
        """
        with self._lock:
            share = self._shares.get(tenant_id)
            if share is None:
                share = self._shares[tenant_id] = _Share(threading.Condition(self._lock))
            if share.active >= limit:
                self._wait(share, limit)
            share.active += 1
        return lambda: self._give_back(tenant_id, share)

    def _wait(self, share: _Share, limit: int) -> None:
        if share.waiting >= self._queue:
            raise TenantBusyError
        deadline = time.monotonic() + self._patience
        share.waiting += 1
        try:
            while share.active >= limit:
                if not share.changed.wait(deadline - time.monotonic()):
                    raise TenantBusyError
        finally:
            share.waiting -= 1

    def _give_back(self, tenant_id: UUID, share: _Share) -> None:
        with self._lock:
            share.active -= 1
            if share.waiting:
                share.changed.notify()
            elif not share.active:
                self._shares.pop(tenant_id, None)


of_this_process = Shares()
