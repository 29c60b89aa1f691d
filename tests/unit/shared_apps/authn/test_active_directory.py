"""What a domain controller writes, in our words."""

from datetime import UTC, datetime, timedelta

import pytest

from shared_apps.authn import errors
from shared_apps.authn.backends.ad import refusals, values
from shared_apps.authn.backends.ad.passwords import Policy, password_info
from shared_apps.authn.backends.ldap.standing import Standing

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEVER = str(2**63 - 1).encode()


def filetime(at: datetime) -> bytes:
    ticks = (at - datetime(1601, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10
    return str(ticks).encode()


@pytest.mark.parametrize(
    ("code", "standing"),
    [
        ("525", Standing.REFUSED), ("52e", Standing.REFUSED), ("52E", Standing.REFUSED),
        ("775", Standing.LOCKED), ("530", Standing.RESTRICTED), ("531", Standing.RESTRICTED),
        ("532", Standing.EXPIRED), ("533", Standing.RESTRICTED), ("701", Standing.RESTRICTED),
        ("773", Standing.MUST_CHANGE), ("0", Standing.REFUSED), ("fffffff", Standing.REFUSED),
    ],
)  # fmt: skip
def test_a_refused_bind(code: str, standing: Standing) -> None:
    diagnostic = f"80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {code}, v4563\x00"

    assert refusals.of_bind(diagnostic) is standing


@pytest.mark.parametrize(
    "diagnostic", ["", "data", "data zz", "metadata 532", "data 5320000000000", "\x00"]
)
def test_a_refusal_that_does_not_say_why_proves_nothing(diagnostic: str) -> None:
    assert refusals.of_bind(diagnostic) is Standing.REFUSED


@pytest.mark.parametrize(
    ("diagnostic", "kind"),
    [
        ("00000056: AtrErr: DSID-03191083, #1:\n\t0: 00000056: DSID-03191083, problem 1005", errors.WrongOldPasswordError),
        ("00000056: Constraint violation - check_password_restrictions: The old password specified doesn't match!", errors.WrongOldPasswordError),
        ("0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0", errors.PolicyViolationError),
        ("00000775: Password change not permitted, account locked out!", errors.AccountLockedError),
        ("0000001F: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0", None),
        ("the number comes later: 00000056", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_refused_change(diagnostic: str, kind: type[Exception] | None) -> None:
    refusal = refusals.of_change(diagnostic)

    assert (type(refusal) if refusal else None) is kind


def test_moments_that_no_calendar_holds_are_none() -> None:
    assert values.moment(int(filetime(AT))) == AT
    assert [values.moment(ticks) for ticks in (0, -1, 2**63 - 1, 2**70)] == [None] * 4
    assert values.length_of_time(-36_288_000_000_000) == timedelta(days=42)
    assert [values.length_of_time(ticks) for ticks in (0, 1, -(2**63))] == [None] * 3


def test_an_id_is_written_as_windows_writes_it() -> None:
    stored = bytes.fromhex("fb1a45a598bafb47b49d5d0b5486a9fd")

    assert values.guid_text(stored) == "a5451afb-ba98-47fb-b49d-5d0b5486a9fd"
    assert values.guid_octets(values.guid_text(stored)) == stored
    for wrong in ("", "*)(objectClass=*", "a5451afb", "{a5451afb-ba98-47fb-b49d-5d0b5486a9fd}"):
        assert values.guid_octets(wrong) is None


POLICY = Policy(min_length=12, history=5, min_age=timedelta(days=1), lockout=timedelta(minutes=30))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (
            {"pwdLastSet": [filetime(AT - timedelta(days=2))], "msDS-UserPasswordExpiryTimeComputed": [filetime(AT + timedelta(days=40))]},
            {"changed_at": AT - timedelta(days=2), "expires_at": AT + timedelta(days=40), "can_change": True},
        ),
        (
            {"pwdLastSet": [filetime(AT - timedelta(hours=2))], "msDS-UserPasswordExpiryTimeComputed": [NEVER]},
            {"changed_at": AT - timedelta(hours=2), "never_expires": True, "can_change": False},  # too young
        ),
        (
            {"pwdLastSet": [b"0"], "msDS-UserPasswordExpiryTimeComputed": [b"0"], "msDS-User-Account-Control-Computed": [b"8388608"]},
            {"must_change": True, "can_change": True},
        ),
        (
            {"msDS-UserPasswordExpiryTimeComputed": [filetime(AT - timedelta(days=1))], "msDS-User-Account-Control-Computed": [b"8388608"]},
            {"expires_at": AT - timedelta(days=1), "expired": True, "can_change": True},
        ),
        (
            {"msDS-UserPasswordExpiryTimeComputed": [filetime(AT)]},
            {"expires_at": AT, "expired": True, "can_change": True},
        ),
        (
            {"msDS-User-Account-Control-Computed": [b"16"], "lockoutTime": [filetime(AT)], "userAccountControl": [b"512"]},
            {"locked": True, "locked_until": AT + timedelta(minutes=30)},
        ),
        ({"userAccountControl": [b"528"], "lockoutTime": [b"0"]}, {"can_change": True}),  # the old bit says nothing
        ({"pwdLastSet": [b"x"], "msDS-UserPasswordExpiryTimeComputed": [b""]}, {"can_change": True}),
    ],
)  # fmt: skip
def test_the_state_of_a_password(
    attributes: dict[str, list[bytes]], expected: dict[str, object]
) -> None:
    read = {name.lower(): values for name, values in attributes.items()}

    info = password_info(read, policy=POLICY, source="active_directory", at=AT)

    assert vars(info) == {
        "source": "active_directory", "fetched_at": AT, "changed_at": None, "expires_at": None,
        "never_expires": False, "expired": False, "must_change": False, "locked": False,
        "locked_until": None, "grace_logins": None, "warn_seconds": None, "can_change": False,
        "min_length": 12, "history": 5, **expected,
    }  # fmt: skip


def test_an_account_locked_until_somebody_unlocks_it_has_no_end() -> None:
    attributes = {"msds-user-account-control-computed": [b"16"], "lockouttime": [filetime(AT)]}

    info = password_info(attributes, policy=Policy(), source="active_directory", at=AT)

    assert (info.locked, info.locked_until, info.can_change) == (True, None, False)
