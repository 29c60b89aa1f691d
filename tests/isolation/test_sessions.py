"""A browser's session is good at the tenant that began it. No view uses them yet: the engine does."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest, JsonResponse
from django.test import Client, override_settings
from django.urls import path

from scripts.stack.manage import serverless_environment
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import TenantContextRequired
from shared_apps.tenants.sessions import SessionStore
from tests.server import ROOT


def count(request: HttpRequest) -> JsonResponse:
    request.session["count"] = request.session.get("count", 0) + 1
    return JsonResponse({"count": request.session["count"]})


urlpatterns = [path("count", count)]
with_sessions = override_settings(
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[*settings.MIDDLEWARE, "django.contrib.sessions.middleware.SessionMiddleware"],
)


@pytest.fixture(autouse=True)
def _empty(acme: TenantIdentity, globex: TenantIdentity) -> Iterator[None]:
    yield
    for tenant in (acme, globex):
        with context.tenant(tenant):
            caches["sessions"].clear()


def visit(browser: Client, tenant: TenantIdentity) -> Any:
    return browser.get("/count", headers={"host": f"{tenant.slug}.localhost"})


@with_sessions
def test_acmes_cookie_is_nobodys_at_globex(acme: TenantIdentity, globex: TenantIdentity) -> None:
    browser = Client()
    assert [visit(browser, acme).json()["count"] for _ in range(2)] == [1, 2]
    of_acme = browser.cookies[settings.SESSION_COOKIE_NAME].value

    # A test client sends its cookies to every host, as a thief would.
    assert visit(browser, globex).json() == {"count": 1}

    of_globex = browser.cookies[settings.SESSION_COOKIE_NAME].value
    assert of_globex != of_acme
    browser.cookies[settings.SESSION_COOKIE_NAME] = of_acme
    assert visit(browser, acme).json() == {"count": 3}


@with_sessions
def test_the_cookie_goes_to_its_own_host_only_and_not_to_scripts(acme: TenantIdentity) -> None:
    cookie = visit(Client(), acme).cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["domain"] == ""
    assert cookie["path"] == "/"
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"


def test_in_production_browsers_see_to_that() -> None:
    show = (
        "from django.conf import settings as s;"
        "print(s.SESSION_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.SESSION_COOKIE_DOMAIN)"
    )
    run = subprocess.run(
        [sys.executable, "-c", show],
        cwd=ROOT,
        env=serverless_environment(settings="config.settings.production"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["__Host-freehold_session", "True", "None"]


@with_sessions
def test_a_key_that_somebody_made_up_is_not_taken_over(acme: TenantIdentity) -> None:
    browser = Client()
    browser.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    assert visit(browser, acme).json() == {"count": 1}
    assert browser.cookies[settings.SESSION_COOKIE_NAME].value != "a" * 32


def test_asynchronous_code_finds_the_same(acme: TenantIdentity, globex: TenantIdentity) -> None:
    with context.tenant(acme):
        session = SessionStore()
        session["key"] = "acme"
        session.save()

        assert async_to_sync(SessionStore(session.session_key).aget)("key") == "acme"
    with context.tenant(globex):
        assert async_to_sync(SessionStore(session.session_key).aget)("key") is None
    with context.nobody(), pytest.raises(TenantContextRequired):
        SessionStore(session.session_key).load()


@with_sessions
def test_without_redis_nobody_is_signed_out(acme: TenantIdentity) -> None:
    browser = Client(raise_request_exception=False)
    visit(browser, acme)
    before = browser.cookies[settings.SESSION_COOKIE_NAME].value
    unreachable = {
        name: {**stored, "LOCATION": "redis://127.0.0.1:1/0"}
        for name, stored in caches.settings.items()
    }

    with override_settings(CACHES=unreachable):
        refused = visit(browser, acme)

        assert refused.status_code == 503
        assert refused["Retry-After"] == "5"
        assert settings.SESSION_COOKIE_NAME not in refused.cookies
        with context.tenant(acme), pytest.raises(redis.ConnectionError):
            SessionStore(before).load()
    assert visit(browser, acme).json() == {"count": 2}
