"""Models are imported inside: this file is read before Django is set up."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.client import Api

Send = Callable[..., Any]


@pytest.fixture
def views(system: object) -> Iterator[list[Any]]:
    """The views of urls.py are served; what they were called with."""
    from django.test import override_settings

    from tests.integration.tenant_apps.idempotency import urls

    urls.CALLS.clear()
    with override_settings(ROOT_URLCONF=urls.__name__):
        yield urls.CALLS


@pytest.fixture
def send() -> Send:
    """`send(api, "vendors/", {...}, key="k")`: a request with an Idempotency-Key."""

    def sending(
        api: "Api",
        path: str,
        body: Any = None,
        *,
        key: str | None,
        method: str = "post",
        **options: Any,
    ) -> Any:
        headers = {"host": api.host, **api.headers}
        if key is not None:
            headers["idempotency-key"] = key
        address = path if path.startswith("/") else f"/api/v1/{path}"
        given = {"content_type": "application/json", **options}
        if given["content_type"] is None:
            del given["content_type"]
        return getattr(api.http, method)(address, body, headers=headers, **given)

    return sending
