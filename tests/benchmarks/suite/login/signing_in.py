"""In the process of the product: sign-ins at acme, and binds of another client."""

import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import ldap3


@dataclass(frozen=True)
class Directory:
    options: dict[str, Any]
    bind_password: str
    dn: str
    password: str


class SigningIn:
    def __init__(self) -> None:
        import django

        django.setup()
        self._tenant_id: UUID | None = None
        self._directory: Directory | None = None

    def install(self, **directory: Any) -> None:
        from shared_apps.authn import configuring
        from shared_apps.core import context
        from tests.installation import Installation

        self._directory = Directory(**directory)
        self._tenant_id = Installation.set_up().tenants["acme"].id
        wanted = configuring.Wanted(
            kind="openldap",
            options={**self._directory.options, "default_role": "viewer"},
            secrets={"bind_password": self._directory.bind_password},
        )
        with context.operator():
            configuring.configure(tenant_id=self._tenant_id, wanted=wanted, at=datetime.now(UTC))

    def bind_barely(self) -> float:
        assert self._directory is not None
        tls = ldap3.Tls(
            validate=ssl.CERT_REQUIRED, ca_certs_data=self._directory.options["ca_certificate"]
        )
        server = ldap3.Server(self._directory.options["url"], tls=tls, get_info=ldap3.NONE)
        started = time.perf_counter()
        connection = ldap3.Connection(
            server, user=self._directory.dn, password=self._directory.password
        )
        connection.open()
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert connection.bind()
        taken = time.perf_counter() - started
        connection.unbind()
        return taken

    def prove(self) -> float:
        from shared_apps.authn import backends
        from shared_apps.authn.backends.directory import DirectoryBackend

        assert self._directory is not None
        backend = backends.backend_for(self._tenant_id)
        assert isinstance(backend, DirectoryBackend)
        started = time.perf_counter()
        assert backend.prove(username="alice", password=self._directory.password)
        return time.perf_counter() - started

    def sign_in(self) -> float:
        from shared_apps.authn.services import opening, signing_in
        from shared_apps.core import attribution

        assert self._directory is not None
        client = opening.Client(ip=None, user_agent="")
        started = time.perf_counter()
        with attribution.acting(attribution.command("bench")):
            signing_in.sign_in(
                tenant_id=self._tenant_id, username="alice", password=self._directory.password,
                client=client, at=datetime.now(UTC),
            )  # fmt: skip
        return time.perf_counter() - started

    def beyond_the_bind(self) -> float:
        bare = self.bind_barely()
        return self.sign_in() - bare
