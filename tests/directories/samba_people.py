"""The people of the test domain, made over LDAPS in milliseconds each."""

import ssl
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPException

BASE_DN = "DC=ad,DC=example,DC=test"
USERS_DN = f"CN=Users,{BASE_DN}"
NETBIOS = "ADEX"
UPN_SUFFIX = "ad.example.test"
PASSWORD = "Passw0rd of the bed"
LOCKOUT_THRESHOLD = 10
_ADMINISTRATOR = (f"Administrator@{UPN_SUFFIX}", "Adm1n-of-the-bed")
_LONG_AGO = "132223104000000000"  # 2020, in units of 100 ns since 1601

# Beyond what every person has.
_PEOPLE: Mapping[str, Mapping[str, Any]] = {
    "alice": {},
    "bob": {},
    "carol": {"userPrincipalName": "carol.of.sales@" + UPN_SUFFIX},
    "mustchange": {"pwdLastSet": "0"},
    "expired": {},
    "old": {},
    "forever": {"userAccountControl": "66048"},  # NORMAL_ACCOUNT, DONT_EXPIRE_PASSWD
    "disabled": {"userAccountControl": "514"},  # NORMAL_ACCOUNT, ACCOUNTDISABLE
    "outdated": {"accountExpires": _LONG_AGO},
    "atnight": {"logonHours": bytes(21)},
    "elsewhere": {"userWorkstations": "OTHERPC"},
    "locked": {},
    # Somebody else's user name as a principal name, and the other way round.
    "twin": {"userPrincipalName": "doppel"},
    "doppel": {"userPrincipalName": "doppel@" + UPN_SUFFIX},
}
# Group: its direct members.
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "engineers": ("alice", "expired"),
    "staff": ("engineers", "bob"),
    "company": ("staff", "company-again"),
    "company-again": ("company",),  # a circle
}


@dataclass(frozen=True)
class Bound:
    code: int
    message: str

    @property
    def succeeded(self) -> bool:
        return self.code == 0


@dataclass(frozen=True)
class Administration:
    """What the domain's administrator does."""

    connection: ldap3.Connection

    def add_person(self, name: str, *, password: str = PASSWORD, **attributes: Any) -> None:
        person = {
            "objectClass": ["user"],
            "sAMAccountName": name,
            "userPrincipalName": f"{name}@{UPN_SUFFIX}",
            "unicodePwd": _quoted(password),
            "userAccountControl": "512",
            "mail": f"{name}@globex.example",
            "displayName": name.capitalize(),
            **attributes,
        }
        self._done(self.connection.add(dn(name), attributes=person))

    def add_group(self, name: str, **attributes: str) -> None:
        group = {"objectClass": ["group"], "sAMAccountName": name, **attributes}
        self._done(self.connection.add(dn(name), attributes=group))

    def add_members(self, group: str, *members: str) -> None:
        self.change(group, member=[(ldap3.MODIFY_ADD, [dn(name) for name in members])])

    def remove_members(self, group: str, *members: str) -> None:
        self.change(group, member=[(ldap3.MODIFY_DELETE, [dn(name) for name in members])])

    def set(self, name: str, **attributes: str | bytes) -> None:
        self.change(
            name, **{key: [(ldap3.MODIFY_REPLACE, [value])] for key, value in attributes.items()}
        )

    def set_password(self, name: str, password: str) -> None:
        self.set(name, unicodePwd=_quoted(password))

    def change(self, name: str, **changes: Any) -> None:
        self._done(self.connection.modify(dn(name), changes))

    def remove(self, name: str) -> None:
        self._done(self.connection.delete(dn(name)))

    def rename(self, name: str, to: str) -> None:
        self._done(self.connection.modify_dn(dn(name), f"CN={to}"))

    def move(self, name: str, to: str) -> None:
        self._done(self.connection.modify_dn(dn(name), f"CN={name}", new_superior=to))

    def read(self, name: str, attribute: str) -> bytes:
        _, result, entries, _ = self.connection.search(
            dn(name), "(objectClass=*)", ldap3.BASE, attributes=[attribute]
        )
        assert result["result"] == 0, result
        (value,) = entries[0]["raw_attributes"][attribute]
        return bytes(value)

    def bad_password_count(self, name: str) -> int:
        return int(self.read(name, "badPwdCount"))

    def object_guid(self, name: str) -> str:
        return str(uuid.UUID(bytes_le=self.read(name, "objectGUID")))

    @staticmethod
    def _done(answer: tuple[bool, dict[str, Any], Any, Any]) -> None:
        assert answer[1]["result"] == 0, answer[1]


def dn(name: str) -> str:
    return name if "=" in name else f"CN={name},{USERS_DN}"


def populate(administration: Administration) -> None:
    for name, attributes in _PEOPLE.items():
        administration.add_person(name, **attributes)
    for name in _GROUPS:
        administration.add_group(name)
    for name, members in _GROUPS.items():
        administration.add_members(name, *members)


@contextmanager
def administering(url: str, ca: str) -> Iterator[Administration]:
    connection = _open(url, ca, *_ADMINISTRATOR)
    try:
        _, result, _, _ = connection.bind()
        assert result["result"] == 0, result
        yield Administration(connection)
    finally:
        connection.unbind()


@contextmanager
def connected(url: str, ca: str, user: str, password: str) -> Iterator[Bound]:
    connection = _open(url, ca, user, password)
    try:
        _, result, _, _ = connection.bind()
        yield Bound(code=result["result"], message=result["message"])
    finally:
        connection.unbind()


def answers(url: str, ca: str) -> bool:
    try:
        with connected(url, ca, *_ADMINISTRATOR) as bound:
            return bound.succeeded
    except LDAPException:
        return False


def _open(url: str, ca: str, user: str, password: str) -> ldap3.Connection:
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, version=ssl.PROTOCOL_TLS_CLIENT, ca_certs_data=ca)
    server = ldap3.Server(url, tls=tls, get_info=ldap3.NONE, connect_timeout=5)
    connection = ldap3.Connection(
        server,
        user,
        password,
        client_strategy=ldap3.SAFE_SYNC,
        auto_referrals=False,
        receive_timeout=10,
    )
    connection.open()
    return connection


def _quoted(password: str) -> bytes:
    return f'"{password}"'.encode("utf-16-le")
