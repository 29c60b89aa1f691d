"""An answer for the leak laboratory."""

from datetime import datetime
from uuid import UUID

from tenant_apps.idempotency import services


def plant(*, marker: str, person: UUID, at: datetime) -> None:
    services.keep_answer(
        request=marker[:64], person=person, fingerprint="", authority=(), status=201, headers={},
        body=marker.encode(), at=at,
    )  # fmt: skip
