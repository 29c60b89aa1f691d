"""Attacks on a tenant whose people are in Active Directory, and what its states answer; against a real domain."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from scripts.stack.ports import free_port
from shared_apps.accounts.models import Identity
from shared_apps.authn import configuring
from shared_apps.authn.configuring import Wanted
from shared_apps.authn.models import RefreshToken, Session
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.directories import samba as samba_bed
from tests.directories.samba import Domain
from tests.directories.samba_people import PASSWORD, UPN_SUFFIX, USERS_DN
from tests.directories.tap import Tap

ApiFactory = Callable[..., Api]


@pytest.fixture
def tap(samba: Domain) -> Iterator[Tap]:
    tap = Tap(samba.port)
    yield tap
    tap.close()


@pytest.fixture
def client(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, samba: Domain, tap: Tap
) -> Api:
    """Of globex, whose people are in the domain; acme's are in our own table."""
    use(globex, samba, url=through(tap))
    return api(globex)


def use(tenant: TenantIdentity, domain: Domain, **options: Any) -> None:
    wanted = Wanted(
        kind="active_directory",
        options={**domain.options, "default_role": "viewer", **options},
        secrets={"bind_password": domain.bind_password},
    )
    configuring.configure(tenant_id=tenant.id, wanted=wanted, at=datetime.now(UTC))


def through(tap: Tap) -> str:
    return f"ldaps://127.0.0.1:{tap.port}"


def sign_in(client: Api, username: str, password: str = PASSWORD) -> Any:
    return client.post("auth/login/", {"username": username, "password": password})


def answer(response: Any) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "")


def newcomer(domain: Domain, name: str) -> str:
    with domain.administration() as administration:
        administration.add_person(name)
    return name


def bad_passwords(domain: Domain, name: str) -> int:
    with domain.administration() as administration:
        return administration.bad_password_count(name)


def assert_nobody_came_in(*, identities: int = 0) -> None:
    with context.operator():
        assert (
            Session.objects.count(),
            RefreshToken.objects.count(),
            Identity.objects.count(),
        ) == (0, 0, identities)


REFUSED, UNAVAILABLE = (401, "invalid_credentials"), (503, "auth_backend_unavailable")


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("alice", (200, ""), REFUSED),
        ("old", (200, ""), REFUSED),
        ("forever", (200, ""), REFUSED),
        ("expired", (403, "password_expired"), REFUSED),
        ("mustchange", (403, "password_change_required"), REFUSED),
        ("disabled", (403, "account_restricted"), REFUSED),
        ("outdated", (403, "account_restricted"), REFUSED),
        ("atnight", (403, "account_restricted"), REFUSED),
        ("elsewhere", (403, "account_restricted"), REFUSED),
        ("nobody-of-that-name", REFUSED, REFUSED),
    ],
)
def test_25_what_each_state_answers(
    client: Api, name: str, right: tuple[int, str], wrong: tuple[int, str]
) -> None:
    assert answer(sign_in(client, name, "wrong passw0rd")) == wrong
    assert_nobody_came_in()

    response = sign_in(client, name)

    assert answer(response) == right
    if right[0] != 200:
        # Whose password is due has proven it, and is known from then on.
        is_known = right[1] in ("password_expired", "password_change_required")
        assert_nobody_came_in(identities=int(is_known))
    for secret in (PASSWORD, "LdapErr", "data ", USERS_DN):
        assert secret not in response.content.decode()


@pytest.mark.parametrize("password", ["", " ", "\x00", "\x00" + PASSWORD, PASSWORD + "\x00"])
def test_24_an_empty_blank_or_nul_password(
    client: Api, samba: Domain, tap: Tap, password: str
) -> None:
    before = bad_passwords(samba, "bob")

    response = sign_in(client, "bob", password)

    assert answer(response) == REFUSED
    assert_nobody_came_in()
    assert tap.connections == 0
    assert bad_passwords(samba, "bob") == before


@pytest.mark.parametrize(
    "name",
    [
        f"CN=Administrator,{USERS_DN}", f"CN=bob,{USERS_DN}", "cn=x,ou=admins", "*", "b*b", "b\\6fb",
        "bob)(objectClass=*", "*)(sAMAccountName=bob", "bob\x00", "\x00bob", "b\u200bob", "\u202ebob",
        "OTHER\\bob", "ADEX\\", "\\bob", "ADEX\\bob\\bob", "ADEX\\*", "*\\bob", "x\\ADEX\\bob",
        f"bob@{UPN_SUFFIX}.evil", "bob@*",
    ],
    ids=ascii,
)  # fmt: skip
def test_26_a_name_that_is_a_dn_or_would_match_more(client: Api, samba: Domain, name: str) -> None:
    before = bad_passwords(samba, "bob"), bad_passwords(samba, "Administrator")

    assert answer(sign_in(client, name)) == REFUSED

    assert_nobody_came_in()
    assert (bad_passwords(samba, "bob"), bad_passwords(samba, "Administrator")) == before


def test_26_all_names_of_one_person_lead_to_that_one(client: Api) -> None:
    names = [
        "carol",
        "CAROL",
        f"carol.of.sales@{UPN_SUFFIX}",
        "ADEX\\carol",
        f"{UPN_SUFFIX}\\Carol",
    ]

    people = [sign_in(client, name).json()["user"]["id"] for name in names]

    assert len(set(people)) == 1
    with context.operator():
        assert Identity.objects.count() == 1


@pytest.mark.parametrize("options", [{"start_tls": True}, {"start_tls": False}, {}])
def test_28_without_tls_no_octet_of_a_password_is_sent(
    globex: TenantIdentity, api: ApiFactory, samba: Domain, options: dict[str, bool]
) -> None:
    in_between = Tap(samba.plain_port, refuses_tls=True)
    try:
        use(globex, samba, url=f"ldap://127.0.0.1:{in_between.port}", **options)

        response = sign_in(api(globex), "alice")
    finally:
        in_between.close()

    assert answer(response) == UNAVAILABLE
    assert int(response["Retry-After"]) > 0
    assert_nobody_came_in()
    assert in_between.connections == (1 if options.get("start_tls") else 0)
    for secret in (PASSWORD.encode(), PASSWORD.encode("utf-16-le"), b"freehold", b"alice"):
        assert secret not in in_between.sent


def test_28_a_controller_that_wants_tls_is_given_it(
    globex: TenantIdentity, api: ApiFactory, samba: Domain
) -> None:
    tap = Tap(samba.plain_port)
    try:
        use(globex, samba, url=f"ldap://127.0.0.1:{tap.port}", start_tls=True)
        assert sign_in(api(globex), "alice").status_code == 200
    finally:
        tap.close()

    assert PASSWORD.encode() not in tap.sent
    assert samba.bind_dn.encode() not in tap.sent


def test_30_a_name_that_two_people_have(
    client: Api, samba: Domain, caplog: pytest.LogCaptureFixture
) -> None:
    before = [bad_passwords(samba, name) for name in ("twin", "doppel")]

    assert answer(sign_in(client, "doppel")) == REFUSED

    assert_nobody_came_in()
    assert [bad_passwords(samba, name) for name in ("twin", "doppel")] == before
    assert [record.levelno for record in caplog.records if "several people" in record.message] == [
        logging.WARNING
    ]
    # By a name that is one's own alone, each comes in.
    assert sign_in(client, "twin").status_code == 200


def test_37_one_bind_for_each_attempt_whatever_servers_there_are(
    globex: TenantIdentity, api: ApiFactory, samba: Domain, tap: Tap
) -> None:
    name = newcomer(samba, "guessed")
    away = [f"ldaps://127.0.0.1:{free_port()}" for _ in range(2)]
    use(globex, samba, url=[*away, through(tap)])
    client = api(globex)

    for attempt in range(1, 6):  # as often as one address may
        assert answer(sign_in(client, name, "wrong passw0rd")) == REFUSED
        assert bad_passwords(samba, name) == attempt

    assert not samba.is_locked(name)
    assert_nobody_came_in()


def test_38_the_old_password_after_a_change(
    globex: TenantIdentity, acme: TenantIdentity, api: ApiFactory
) -> None:
    """Windows takes the former password for an hour more; what it opened here ends at once, all the same."""
    new = "Another passw0rd of the bed"
    with samba_bed.running(old_password_minutes=60) as domain:
        use(globex, domain)
        here, elsewhere = api(globex), api(globex)
        here.sign_in("bob", PASSWORD)
        elsewhere.sign_in("bob", PASSWORD)

        changed = here.post(
            "auth/password/change/",
            {"old_password": PASSWORD, "new_password": new, "keep_current": True},
        )

        assert changed.status_code == 204, changed.content
        assert domain.try_bind("bob", new).succeeded
        assert domain.try_bind("bob", PASSWORD).succeeded
        assert here.get("auth/user/").status_code == 200
        assert elsewhere.get("auth/user/").status_code == 401
        refreshed = elsewhere.post("auth/refresh/", {"refresh": elsewhere.tokens["refresh"]})
        assert refreshed.status_code == 401
        with context.operator():
            assert Session.objects.filter(revoked_at=None).count() == 1


def test_38_a_change_is_proven_by_a_bind(client: Api, samba: Domain) -> None:
    name, new = newcomer(samba, "changer"), "Another passw0rd of the bed"
    client.sign_in(name, PASSWORD)

    def change(old: str, wanted: str) -> tuple[int, str]:
        body = {"old_password": old, "new_password": wanted}
        response = client.post("auth/password/change/", body)
        return (response.status_code, "") if response.status_code == 204 else answer(response)

    assert change("wrong passw0rd", new) == (400, "wrong_old_password")
    assert bad_passwords(samba, name) == 1
    assert change(PASSWORD, "short") == (400, "policy_violation")
    assert samba.try_bind(name, PASSWORD).succeeded

    assert change(PASSWORD, new) == (204, "")

    assert samba.try_bind(name, new).succeeded
    assert not samba.try_bind(name, PASSWORD).succeeded
    client.sign_in(name, new)
    info = client.get("auth/password/info/").json()
    assert (info["source"], info["min_length"], info["history"]) == ("active_directory", 12, 5)
    assert (info["expired"], info["must_change"], info["locked"]) == (False, False, False)
