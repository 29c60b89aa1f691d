"""OpenLDAP against a real slapd."""

from typing import TYPE_CHECKING

import pytest

from shared_apps.authn.backends.ldap.openldap import OpenLdapBackend
from tests.directories.contract import ANSWERS, Account, ChangeContract, DirectoryContract, State
from tests.directories.ldap_bed import LdapBed

if TYPE_CHECKING:
    from tests.directories.slapd import Slapd


class TestOpenLdap(ChangeContract, DirectoryContract):
    @pytest.fixture
    def bed(self, slapd: "Slapd") -> LdapBed:
        states = {
            State.LOCKED: "locked",
            State.DISABLED: "disabled",
            State.EXPIRED: "expired",
            State.MUST_CHANGE: "mustchange",
        }
        return LdapBed.of(
            slapd,
            OpenLdapBackend,
            states={state: Account(uid, slapd.password(uid)) for state, uid in states.items()},
            # Locked for good is all that it knows of disabled, and it says so ahead of the password.
            answers={**ANSWERS, State.DISABLED: None},
        )
