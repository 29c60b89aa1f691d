from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api

ApiFactory = Callable[..., Api]


@pytest.fixture
def at_acme(acme: TenantIdentity) -> Iterator[TenantIdentity]:
    """The test's code works for acme."""
    with context.tenant(acme):
        yield acme


@pytest.fixture
def editor(acme: TenantIdentity, api: ApiFactory) -> Api:
    return api(acme, "editor")


@pytest.fixture
def upload(editor: Api) -> Callable[..., Any]:
    """`upload(b"…")`: the answer to a file that acme's editor sends."""

    def send(
        content: bytes, *, name: str = "invoices.csv", client: Api = editor, **headers: str
    ) -> Any:
        return client.http.post(
            "/api/v1/invoice-imports/create/",
            {"file": SimpleUploadedFile(name, content)},
            headers={"host": client.host, **client.headers, **headers},
        )

    return send
