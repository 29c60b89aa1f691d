"""What directories say beyond yes and no, how it is read, and which of several servers is asked."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.test import override_settings

from shared_apps.accounts.models import User
from shared_apps.authn.backends.ldap.faults import DirectoryFault, ServerFault
from shared_apps.authn.backends.ldap.messages import Answer
from shared_apps.authn.backends.ldap.openldap import OpenLdapBackend
from shared_apps.authn.backends.ldap.oracle_oid import OracleOidBackend
from shared_apps.authn.backends.ldap.servers import FAILURES, breaker_of
from shared_apps.authn.backends.ldap.standing import Standing
from shared_apps.authn.errors import (
    AccountLockedError,
    BackendUnavailableError,
    PasswordChangeNotSupportedError,
    PasswordExpiredError,
    PolicyViolationError,
)
from shared_apps.authn.recognition import recognise
from shared_apps.core.context import TenantIdentity
from shared_apps.core.resilience.breaker import CircuitBreaker
from tests.directories import listeners

if TYPE_CHECKING:
    from tests.directories.slapd import Slapd

NOW = datetime.now(UTC).replace(microsecond=0)
NEW = "a new and long enough one"


def backend_of(tenant: TenantIdentity, server: "Slapd", **options: Any) -> OpenLdapBackend:
    options = {"default_role": "viewer", **options}
    return OpenLdapBackend(server.configuration(tenant.id, **options), recognise)


def user_of(backend: OpenLdapBackend, server: "Slapd", uid: str) -> User:
    """Known from a sign-in before they came into their present state."""
    person = backend.find_person(external_id=server.external_id(uid))
    assert person is not None
    return recognise(backend.configuration, person)


def time_of(server: "Slapd", uid: str, attribute: str) -> datetime:
    (value,) = server.values(uid, attribute)
    return datetime.strptime(value, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def test_a_password_that_is_good(acme: TenantIdentity, slapd: "Slapd") -> None:
    backend = backend_of(acme, slapd)

    info = backend.get_password_info(user=user_of(backend, slapd, "alice"), at=NOW)

    changed_at = time_of(slapd, "alice", "pwdChangedTime")
    assert (info.source, info.fetched_at, info.changed_at) == ("openldap", NOW, changed_at)
    assert info.expires_at == changed_at + timedelta(days=90)
    assert (info.never_expires, info.expired, info.must_change, info.locked) == (False,) * 4
    assert (info.locked_until, info.grace_logins, info.warn_seconds) == (None, None, 1_209_600)
    assert (info.can_change, info.min_length, info.history) == (True, 12, 3)


def test_passwords_in_every_state(acme: TenantIdentity, slapd: "Slapd") -> None:
    backend = backend_of(acme, slapd)
    uids = ("expired", "grace", "mustchange", "locked", "disabled")
    info = {
        uid: backend.get_password_info(user=user_of(backend, slapd, uid), at=NOW) for uid in uids
    }

    assert {uid for uid in uids if info[uid].expired} == {"expired", "grace"}
    assert {uid for uid in uids if info[uid].must_change} == {"mustchange"}
    assert {uid for uid in uids if info[uid].locked} == {"locked", "disabled"}
    locked_at = time_of(slapd, "locked", "pwdAccountLockedTime")
    assert info["locked"].locked_until == locked_at + timedelta(minutes=15)
    assert info["disabled"].locked_until is None
    assert (info["expired"].grace_logins, info["grace"].grace_logins) == (0, 2)
    assert (info["expired"].can_change, info["grace"].can_change) == (False, True)
    later = locked_at + timedelta(minutes=20)
    unlocked = backend.get_password_info(user=user_of(backend, slapd, "locked"), at=later)
    assert unlocked.locked is False


def test_without_a_known_policy_nothing_is_made_up(acme: TenantIdentity, slapd: "Slapd") -> None:
    backend = backend_of(acme, slapd, password_policy_dn="cn=none,ou=policies,dc=acme,dc=example")

    info = backend.get_password_info(user=user_of(backend, slapd, "expired"), at=NOW)

    assert (info.expires_at, info.never_expires, info.expired) == (None, False, False)
    assert (info.min_length, info.history) == (None, None)


def test_grace_logins_let_an_expired_password_be_changed(
    acme: TenantIdentity, slapd: "Slapd"
) -> None:
    backend = backend_of(acme, slapd)
    user = user_of(backend, slapd, "grace")
    with pytest.raises(PasswordExpiredError):
        backend.authenticate(username="grace", password=slapd.password("grace"))
    assert len(slapd.values("grace", "pwdGraceUseTime")) == 1

    backend.change_password(
        user=user, old_password=slapd.password("grace"), new_password=NEW, at=NOW
    )

    assert slapd.is_password("grace", NEW)
    assert backend.authenticate(username="grace", password=NEW) == user


def test_a_change_that_must_be_is_made(acme: TenantIdentity, slapd: "Slapd") -> None:
    backend = backend_of(acme, slapd)
    user = user_of(backend, slapd, "mustchange")

    backend.change_password(
        user=user, old_password=slapd.password("mustchange"), new_password=NEW, at=NOW
    )

    assert slapd.is_password("mustchange", NEW)
    assert slapd.values("mustchange", "pwdReset") == []
    assert backend.authenticate(username="mustchange", password=NEW) == user


@pytest.mark.parametrize(
    ("uid", "refusal"),
    [("expired", PasswordChangeNotSupportedError), ("locked", AccountLockedError)],
)
def test_a_change_that_the_directory_does_not_make(
    acme: TenantIdentity, slapd: "Slapd", uid: str, refusal: type[Exception]
) -> None:
    backend = backend_of(acme, slapd)
    user = user_of(backend, slapd, uid)
    before = slapd.values(uid, "userPassword")

    with pytest.raises(refusal):
        backend.change_password(
            user=user, old_password=slapd.password(uid), new_password=NEW, at=NOW
        )

    assert slapd.values(uid, "userPassword") == before


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        ("short", ["It is too short."]),
        ("acme-alice-secret", ["It was used before."]),
        ("", ["It is empty, too long, or holds characters that none may."]),
        ("a\x00" * 10, ["It is empty, too long, or holds characters that none may."]),
    ],
)
def test_a_new_password_that_breaks_a_rule_is_told_which(
    acme: TenantIdentity, slapd: "Slapd", new: str, reason: list[str]
) -> None:
    backend = backend_of(acme, slapd)
    user = user_of(backend, slapd, "alice")

    with pytest.raises(PolicyViolationError) as refused:
        backend.change_password(
            user=user, old_password=slapd.password("alice"), new_password=new, at=NOW
        )

    assert refused.value.details == {"reason": reason}
    assert slapd.is_password("alice", slapd.password("alice"))


def test_groups_in_groups_and_in_themselves(acme: TenantIdentity, slapd: "Slapd") -> None:
    backend = backend_of(acme, slapd)
    editors, staff, juniors = (
        f"cn={name},ou=groups,{slapd.suffix}" for name in ("editors", "staff", "juniors")
    )
    expected = {
        "alice": {editors},
        "bob": {staff, editors, juniors},
        "carol": {juniors, staff, editors},
        "jürgen": set(),
    }

    listed = {person.username: person for person in backend.list_people()}
    for uid, groups in expected.items():
        found = backend.find_person(external_id=slapd.external_id(uid))
        assert found is not None
        assert found.groups == groups
        assert listed[uid] == found
    assert {uid for uid, person in listed.items() if not person.is_active} == {"disabled"}
    assert listed["carol"].email == ""


def test_the_same_names_at_two_tenants(
    acme: TenantIdentity, globex: TenantIdentity, slapd: "Slapd", other_slapd: "Slapd"
) -> None:
    at_acme, at_globex = backend_of(acme, slapd), backend_of(globex, other_slapd)

    mine = at_acme.prove(username="alice", password=slapd.password("alice"))
    theirs = at_globex.prove(username="alice", password=other_slapd.password("alice"))

    assert mine is not None
    assert theirs is not None
    assert mine.external_id != theirs.external_id
    assert at_acme.prove(username="alice", password=other_slapd.password("alice")) is None
    assert at_globex.prove(username="alice", password=slapd.password("alice")) is None
    assert at_globex.find_person(external_id=mine.external_id) is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"bind_dn": "cn=nobody,dc=acme,dc=example"}, "refuses 'cn=nobody,dc=acme,dc=example'"),
        ({"base_dn": "ou=none,dc=acme,dc=example"}, "search below 'ou=none,dc=acme,dc=example'"),
        ({"user_filter": "(objectClass=room)"}, "nobody is found below"),
        ({"url": "ldaps://localhost:9"}, "Connection refused"),
        ({"ca_certificate": "-----BEGIN"}, "ca_certificate holds no certificate"),
    ],
)
def test_operators_are_told_what_is_wrong(
    acme: TenantIdentity, slapd: "Slapd", options: dict[str, Any], reason: str
) -> None:
    backend = backend_of(acme, slapd, **options)

    with pytest.raises(BackendUnavailableError) as refused:
        list(backend.check())

    assert reason in refused.value.text
    assert slapd.bind_password not in refused.value.text


def test_operators_are_told_what_works(acme: TenantIdentity, slapd: "Slapd") -> None:
    assert list(backend_of(acme, slapd).check()) == [
        f"localhost:{slapd.tls_port} is reached over TLS, and is who it says.",
        f"{slapd.bind_dn} may search there.",
        "People are found there; one signs in as 'alice'.",
    ]


@pytest.fixture
def without_redis() -> Iterator[None]:
    from django.conf import settings

    nowhere = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}
    with override_settings(CACHES={**settings.CACHES, "default": nowhere}):
        yield


def _breaks(acme: TenantIdentity, globex: TenantIdentity, slapd: "Slapd") -> None:
    with listeners.listening(lambda client: None) as broken:
        options = {"url": [f"ldaps://localhost:{broken.port}", slapd.url]}
        for _ in range(FAILURES + 2):
            # The second server is asked each time, so nobody notices.
            backend = backend_of(acme, slapd, **options)
            assert backend.prove(username="alice", password=slapd.password("alice")) is not None
        assert broken.connections == FAILURES

        others = breaker_of(tenant_id=globex.id, server=f"localhost:{broken.port}")
        assert others.allows()
        alone = backend_of(acme, slapd, url=f"ldaps://localhost:{broken.port}")
        with pytest.raises(BackendUnavailableError):
            alone.prove(username="alice", password=slapd.password("alice"))
        assert broken.connections == FAILURES
        breaker_of(tenant_id=acme.id, server=f"localhost:{broken.port}").reset()
        with pytest.raises(BackendUnavailableError):
            alone.prove(username="alice", password=slapd.password("alice"))
        assert broken.connections == FAILURES + 1


def test_a_server_that_fails_is_left_alone(
    acme: TenantIdentity, globex: TenantIdentity, slapd: "Slapd"
) -> None:
    _breaks(acme, globex, slapd)


@pytest.mark.usefixtures("without_redis")
def test_a_server_that_fails_is_left_alone_without_redis(
    acme: TenantIdentity, globex: TenantIdentity, slapd: "Slapd"
) -> None:
    _breaks(acme, globex, slapd)


def test_after_the_pause_one_tries(acme: TenantIdentity) -> None:
    def breaker() -> CircuitBreaker:
        return breaker_of(tenant_id=acme.id, server="dir.acme.example:636")

    try:
        with override_settings(DIRECTORY_PAUSE_SECONDS=600):
            for _ in range(FAILURES):
                assert breaker().allows()
                breaker().failed()
            assert [breaker().allows() for _ in range(3)] == [False] * 3
        _end_pause(breaker())
        with override_settings(DIRECTORY_PAUSE_SECONDS=600):
            trial = breaker()
            assert [trial.allows(), breaker().allows(), breaker().allows()] == [True, False, False]
            trial.succeeded()
            assert [breaker().allows() for _ in range(3)] == [True] * 3
    finally:
        breaker().reset()


def _end_pause(breaker: CircuitBreaker) -> None:
    from django_redis import get_redis_connection

    (key,) = get_redis_connection().scan_iter(match="*dir.acme.example*:quiet")
    get_redis_connection().delete(key)


def answer(code: int, diagnostic: str = "", control: str = "") -> Answer:
    controls = {"1.3.6.1.4.1.42.2.27.8.5.1": bytes.fromhex(control)} if control else {}
    return Answer(code, diagnostic, controls)


@pytest.mark.parametrize(
    ("answered", "standing"),
    [
        (answer(0), Standing.PROVEN),
        (answer(0, control="3000"), Standing.PROVEN),
        (answer(0, control="3006a0048002012c"), Standing.PROVEN),
        (answer(0, control="3003810102"), Standing.MUST_CHANGE),
        (answer(0, control="3005a003810101"), Standing.EXPIRED),
        (answer(49), Standing.REFUSED),
        (answer(49, control="3003810100"), Standing.EXPIRED),
        (answer(49, control="3003810101"), Standing.LOCKED),
        (answer(49, control="3003810109"), Standing.REFUSED),
        (answer(32), Standing.REFUSED),
        (answer(50), Standing.REFUSED),
        (answer(80), Standing.REFUSED),
    ],
)
def test_openldaps_answers(acme: TenantIdentity, slapd: "Slapd", answered: Answer, standing: Standing) -> None:  # fmt: skip
    assert backend_of(acme, slapd).standing(answered) is standing


@pytest.mark.parametrize(
    ("answered", "fault"),
    [
        (answer(8), DirectoryFault), (answer(10), DirectoryFault), (answer(13), DirectoryFault),
        (answer(53), DirectoryFault), (answer(51), ServerFault), (answer(52), ServerFault),
        (answer(49, control="04"), ServerFault), (answer(0, control="3003810A02"), ServerFault),
    ],
)  # fmt: skip
def test_answers_that_are_not_about_the_password(
    acme: TenantIdentity, slapd: "Slapd", answered: Answer, fault: type[Exception]
) -> None:
    with pytest.raises(fault):
        backend_of(acme, slapd).standing(answered)


@pytest.mark.parametrize(
    ("answered", "standing"),
    [
        (answer(0), Standing.PROVEN),
        (answer(0, "Password Policy Warning :9002: expires soon"), Standing.PROVEN),
        (answer(0, "Password Policy Warning :9008: grace"), Standing.EXPIRED),
        (answer(49, "Password Policy Error :9000: expired"), Standing.EXPIRED),
        (answer(53, "Password Policy Error :9001: locked"), Standing.LOCKED),
        (answer(53, "Password Policy Error :9050: disabled"), Standing.RESTRICTED),
        (answer(49, "something :1234: else"), Standing.REFUSED),
        (answer(49, "9000"), Standing.REFUSED),
    ],
)
def test_oracles_answers(acme: TenantIdentity, slapd: "Slapd", answered: Answer, standing: Standing) -> None:  # fmt: skip
    backend = OracleOidBackend(slapd.configuration(acme.id), recognise)

    assert backend.standing(answered) is standing


@pytest.mark.parametrize("code", [9003, 9004, 9005, 9006, 9007, 9012, 9013, 9014, 9015, 9016, 9020])
def test_oracles_rules_have_words(acme: TenantIdentity, slapd: "Slapd", code: int) -> None:
    backend = OracleOidBackend(slapd.configuration(acme.id), recognise)

    with pytest.raises(PolicyViolationError) as refused:
        backend.refuse_change(answer(19, f"Password Policy Error :{code}: …"))

    (reason,) = refused.value.details["reason"]
    assert reason != "The directory's rules do not allow it."
