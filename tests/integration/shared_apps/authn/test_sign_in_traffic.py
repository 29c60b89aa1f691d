"""How often a sign-in waits for PostgreSQL and for Redis, and a request's token check; exactly."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings

from shared_apps.authn import configuring
from shared_apps.authn.configuring import Wanted
from shared_apps.authn.services import refreshing, signing_in
from shared_apps.authn.services.issuing import TokenPair
from shared_apps.authn.services.opening import Client
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.installation import PASSWORD
from tests.people import make_auditor, make_person
from tests.traffic import Traffic, asked_of_redis, traced

ApiFactory = Callable[..., Api]
Credentials = tuple[TenantIdentity | None, str, str]

# The configuration of the tenant, who that is, BEGIN, what is held, whether it is the configuration
# still, session and tokens, COMMIT; and a SET for each of nobody and of the person.
SEVEN_WAITS = Traffic(statements=9, round_trips=7)
# Places before, and back afterwards.
OURS = ["EVALSHA", "EVALSHA"]
# Besides, whether the server is left alone, and places of the person whom it has found.
OF_A_DIRECTORY = ["EVALSHA", "GET", "EVALSHA", "EVALSHA", "EVALSHA"]
# In a test's process more than the sign-in may ask Redis.
_OF_SIGN_INS = (":limits", ":directory:")


def configure(tenant: TenantIdentity, wanted: Wanted) -> None:
    configuring.configure(tenant_id=tenant.id, wanted=wanted, at=datetime.now(UTC))


@pytest.fixture
def acme(acme: TenantIdentity) -> Iterator[TenantIdentity]:
    yield acme
    configure(acme, Wanted(kind="database"))


def by_password(acme: TenantIdentity, _: pytest.FixtureRequest) -> Credentials:
    return acme, make_person(acme).email, PASSWORD


def at_the_public_host(acme: TenantIdentity, _: pytest.FixtureRequest) -> Credentials:
    return None, make_auditor(acme).email, PASSWORD


def past_the_directory(acme: TenantIdentity, request: pytest.FixtureRequest) -> Credentials:
    server, admin = request.getfixturevalue("slapd"), make_person(acme, "admin")
    options, secrets = server.options(), {"bind_password": server.bind_password}
    configure(acme, Wanted("openldap", options, secrets, break_glass=(admin.email,)))
    return acme, admin.email, PASSWORD


def by_directory(fixture: str) -> Callable[[TenantIdentity, pytest.FixtureRequest], Credentials]:
    def configured(acme: TenantIdentity, request: pytest.FixtureRequest) -> Credentials:
        server = request.getfixturevalue(fixture)
        options = server.options(default_role="viewer")
        configure(acme, Wanted(server.kind, options, {"bind_password": server.bind_password}))
        return acme, "alice", server.password("alice")

    return configured


def by_active_directory(acme: TenantIdentity, request: pytest.FixtureRequest) -> Credentials:
    from tests.directories import samba_people

    domain = request.getfixturevalue("samba")
    options = {**domain.options, "default_role": "viewer"}
    configure(acme, Wanted("active_directory", options, {"bind_password": domain.bind_password}))
    return acme, "alice", samba_people.PASSWORD


@pytest.mark.parametrize(
    ("prepare", "waits", "commands"),
    [
        pytest.param(by_password, SEVEN_WAITS, OURS, id="database"),
        # No configuration, but which tenants they were granted.
        pytest.param(at_the_public_host, Traffic(8, 6), OURS, id="public host"),
        pytest.param(past_the_directory, SEVEN_WAITS, OURS, id="break-glass"),
        pytest.param(by_directory("slapd"), SEVEN_WAITS, OF_A_DIRECTORY, id="openldap"),
        pytest.param(by_directory("oid"), SEVEN_WAITS, OF_A_DIRECTORY, id="oracle_oid"),
        pytest.param(by_active_directory, SEVEN_WAITS, OF_A_DIRECTORY, id="active_directory"),
    ],
)
def test_so_often_a_sign_in_waits(
    acme: TenantIdentity, globex: TenantIdentity, request: pytest.FixtureRequest,
    prepare: Any, waits: Traffic, commands: list[str],
) -> None:  # fmt: skip
    tenant, username, password = prepare(acme, request)
    # The other tenant's work on the same connection changes nothing of it.
    sign_in(globex, make_person(globex).email, PASSWORD)
    sign_in(tenant, username, password)

    with asked_of_redis(*_OF_SIGN_INS) as asked:
        counted = traced(lambda: sign_in(tenant, username, password))

    assert (counted, asked) == (waits, commands)


def test_so_often_a_refresh_waits(acme: TenantIdentity, globex: TenantIdentity) -> None:
    sign_in(globex, make_person(globex).email, PASSWORD)
    pair = sign_in(acme, make_person(acme).email, PASSWORD)

    counted = traced(
        lambda: refreshing.refresh(tenant_id=acme.id, token=pair.refresh, at=datetime.now(UTC))
    )

    assert counted == Traffic(statements=10, round_trips=8)


def sign_in(tenant: TenantIdentity | None, username: str, password: str) -> TokenPair:
    _, pair = signing_in.sign_in(
        tenant_id=tenant.id if tenant else None, username=username, password=password,
        client=Client(ip="192.0.2.7", user_agent="test"), at=datetime.now(UTC),
    )  # fmt: skip
    return pair


def test_a_token_is_checked_by_one_question(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    """What a request waits for that is answered with what the token stands for, and nothing else."""
    client, other = api(acme, "viewer"), api(globex, "viewer")
    client.get("auth/user/")

    with asked_of_redis(settings.DATABASES["default"]["NAME"]) as asked:
        counted = traced(lambda: client.get("auth/user/"))

    # The limits of who asks; a hint of the sign-in, that the audit trail has something to move, may come late.
    assert (counted.round_trips, [command for command in asked if command != "SADD"]) == (
        1,
        ["EVALSHA"],
    )
    other.get("auth/user/")
    assert traced(lambda: client.get("auth/user/")).round_trips == 1
