"""The product's side, in a process of its own."""

from contextlib import AbstractContextManager
from uuid import uuid4

from tests.benchmarks.suite.audit.writing import Writing
from tests.benchmarks.tenants.ours import Ours

_SLUG = "bench-0000"


class Audited(Writing):
    """A target of `workers.worker`. Imports of the product wait for its set-up."""

    def __init__(self) -> None:
        self._product = Ours()
        from tests.benchmarks.suite.audit.apps.ours.models import Audited

        self.model = Audited

    def install(self) -> None:
        """Two tenants, because with one alone nothing is ever switched."""
        self._product.install(tenants=2)

    def scope(self) -> AbstractContextManager[object]:
        from shared_apps.core import context
        from shared_apps.tenants import selectors

        return context.tenant(selectors.get_tenant(slug=_SLUG).identity)

    def acting(self) -> AbstractContextManager[object]:
        from shared_apps.core import attribution

        return attribution.acting(
            attribution.Attribution(user_id=uuid4(), request_id=uuid4().hex, ip="192.0.2.7")
        )

    def count_entries(self) -> int:
        """As the outbox's owner: a tenant cannot read what is recorded of it."""
        import psycopg
        from django.conf import settings

        with psycopg.connect(settings.RELAY_DATABASE_URL) as relay:
            row = relay.execute("SELECT count(*) FROM t_bench_0000.audit_outbox").fetchone()
        return int(row[0]) if row else 0


class Unaudited(Audited):
    """The same machinery with a table that has no triggers."""

    def __init__(self) -> None:
        super().__init__()
        from tests.benchmarks.suite.audit.apps.ours.models import Unaudited

        self.model = Unaudited
