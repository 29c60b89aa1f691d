"""The pages that links in mails lead to."""

import base64
import hashlib
import re
from collections.abc import Callable

import pytest
from django.urls import resolve

from shared_apps.core.context import TenantIdentity
from tests.client import Api

ApiFactory = Callable[..., Api]


@pytest.mark.parametrize("path", ["/password/reset", "/registration/confirm"])
def test_a_page_runs_its_own_script_and_nothing_else(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, path: str
) -> None:
    answers = [api(tenant).get(path) for tenant in (acme, globex, None)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    # Nothing of a tenant in it.
    assert len({answer.content for answer in answers}) == 1
    page, policy = answers[0].content.decode(), answers[0]["Content-Security-Policy"]
    for name, source in (("script", "script-src"), ("style", "style-src")):
        [inline] = re.findall(f"<{name}>(.*?)</{name}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{source} 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert (answers[0]["Referrer-Policy"], answers[0]["Cache-Control"]) == (
        "no-referrer",
        "no-store",
    )
    assert not re.search(r"(src|href|action)=", page)
    assert api(acme).post(path, {}).status_code == 405


@pytest.mark.parametrize("path", ["/password/reset", "/registration/confirm"])
def test_forms_lead_to_addresses_that_exist(
    acme: TenantIdentity, api: ApiFactory, path: str
) -> None:
    targets = re.findall(r'data-path="([^"]+)"', api(acme).get(path).content.decode())

    assert len(targets) == 2
    assert all(resolve(target).view_name.startswith("v1:authn:") for target in targets)
