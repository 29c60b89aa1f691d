"""Oracle Internet Directory against an emulation: that we read what it documents."""

from typing import TYPE_CHECKING, ClassVar

import pytest

from shared_apps.authn.backends.ldap.oracle_oid import OracleOidBackend
from tests.directories.contract import Account, ChangeContract, DirectoryContract, State
from tests.directories.ldap_bed import LdapBed

if TYPE_CHECKING:
    from tests.directories.oid import OidEmulation


class TestOracleOid(ChangeContract, DirectoryContract):
    unknown_id: ClassVar[str] = "0" * 32

    @pytest.fixture
    def bed(self, oid: "OidEmulation") -> LdapBed:
        states = {
            State.LOCKED: "locked",
            State.DISABLED: "disabled",
            State.EXPIRED: "expired",
        }
        return LdapBed.of(
            oid,
            OracleOidBackend,
            states={state: Account(uid, oid.password(uid)) for state, uid in states.items()},
        )
