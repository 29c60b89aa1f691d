"""A domain of Samba's as the contract of all backends asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from shared_apps.authn.backends.active_directory import ActiveDirectoryBackend
from shared_apps.core.context import TenantIdentity
from tests.directories.contract import Account, DirectoryBed, State
from tests.directories.samba import Domain
from tests.directories.samba_people import PASSWORD
from tests.directories.tap import Tap

_STATES = {
    State.LOCKED: "locked",
    State.DISABLED: "disabled",
    State.EXPIRED: "expired",
    State.MUST_CHANGE: "mustchange",
    State.RESTRICTED: "outdated",
}


@dataclass
class SambaBed(DirectoryBed):
    domain: Domain = field(kw_only=True)
    tap: Tap = field(kw_only=True)
    asked_by: set[TenantIdentity] = field(default_factory=set)

    @classmethod
    @contextmanager
    def of(cls, domain: Domain) -> "Iterator[SambaBed]":
        tap = Tap(domain.port)
        other = f"other-{uuid4().hex[:8]}"
        with domain.administration() as administration:
            administration.add_person(other, password="Another passw0rd")
        if not domain.is_locked("locked"):
            domain.lock("locked")
        try:
            yield cls(
                good=Account("alice", PASSWORD),
                other=Account(other, "Another passw0rd"),
                states={state: Account(name, PASSWORD) for state, name in _STATES.items()},
                kind=ActiveDirectoryBackend,
                options={**domain.options, "url": f"ldaps://127.0.0.1:{tap.port}"},
                secrets={"bind_password": domain.bind_password},
                domain=domain,
                tap=tap,
            )
        finally:
            tap.close()

    def backend(self, tenant: TenantIdentity) -> ActiveDirectoryBackend:
        self.asked_by.add(tenant)
        backend = super().backend(tenant)
        assert isinstance(backend, ActiveDirectoryBackend)
        return backend

    def make_account(self) -> Account:
        name = f"new-{uuid4().hex[:8]}"
        with self.domain.administration() as administration:
            administration.add_person(name)
        return Account(name, PASSWORD)

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        with self.tap.away():
            yield
        for tenant in self.asked_by:
            # An operator's check that succeeds ends the pause in which the server is left alone.
            list(self.backend(tenant).check())
