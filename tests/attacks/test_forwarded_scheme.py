"""Somebody says of a request over plain HTTP that it was HTTPS, to a server with the settings of production."""

from collections.abc import Sequence

from shared_apps.core import unnamed_proxies
from shared_apps.core.context import TenantIdentity
from tests.server import Server, serving

PRODUCTION = {"DJANGO_SETTINGS_MODULE": "config.settings.production"}
CLAIM = ("X-Forwarded-Proto", "https")


def asked(server: Server, tenant: TenantIdentity, *headers: tuple[str, str]) -> int:
    own: Sequence[tuple[str, str]] = [("Host", server.host(tenant)), *headers]
    return server.get("/api/v1/version-info/", own)[0]


def test_18_nobody_is_believed_who_is_not_named_and_the_doctor_is_told(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with serving(environment=PRODUCTION) as server:
        assert [asked(server, tenant) for tenant in (acme, globex)] == [301, 301]
        assert list(unnamed_proxies.find()) == []
        for claims in (
            [CLAIM],
            [CLAIM, ("X-Forwarded-For", "127.0.0.1")],
            [("x-forwarded-proto", "https"), CLAIM],
        ):
            assert [asked(server, tenant, *claims) for tenant in (acme, globex)] == [301, 301]
    (finding,) = unnamed_proxies.find()
    assert finding.problem.startswith("127.0.0.1 passes requests on, and TRUSTED_PROXIES is empty")


def test_18_a_proxy_that_is_named_is_believed(acme: TenantIdentity, globex: TenantIdentity) -> None:
    with serving(environment={**PRODUCTION, "TRUSTED_PROXIES": "127.0.0.0/8"}) as server:
        assert [asked(server, tenant, CLAIM) for tenant in (acme, globex)] == [200, 200]
        assert asked(server, acme) == 301
    assert list(unnamed_proxies.find()) == []
