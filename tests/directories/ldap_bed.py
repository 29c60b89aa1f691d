"""A slapd as the contract of all backends asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from shared_apps.authn.backends.ldap.directory import LdapBackend
from shared_apps.core.context import TenantIdentity
from tests.directories.contract import Account, DirectoryBed
from tests.directories.slapd import Slapd


@dataclass
class LdapBed(DirectoryBed):
    server: Slapd = field(kw_only=True)
    asked_by: set[TenantIdentity] = field(default_factory=set)

    @classmethod
    def of(cls, server: Slapd, kind: type[LdapBackend], **more: object) -> "LdapBed":
        return cls(
            good=Account("alice", server.password("alice")),
            other=Account("bob", server.password("bob")),
            kind=kind,
            options=server.options(),
            secrets={"bind_password": server.bind_password},
            server=server,
            **more,  # type: ignore[arg-type]  # fields of this class
        )

    def backend(self, tenant: TenantIdentity) -> LdapBackend:
        self.asked_by.add(tenant)
        backend = super().backend(tenant)
        assert isinstance(backend, LdapBackend)
        return backend

    def make_account(self) -> Account:
        uid = f"new-{uuid4().hex[:8]}"
        return Account(uid, self.server.add(uid))

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        with self.server.away():
            yield
        for tenant in self.asked_by:
            # An operator's check that succeeds ends the pause in which the server is left alone.
            list(self.backend(tenant).check())
