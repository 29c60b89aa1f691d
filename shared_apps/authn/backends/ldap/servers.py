"""The servers of one directory: which of them to ask, and that it is them."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from shared_apps.authn.backends.ldap.adapter import Link
from shared_apps.authn.backends.ldap.faults import DirectoryFault, ServerFault
from shared_apps.authn.backends.ldap.wire import tls_context
from shared_apps.core.resilience.breaker import CircuitBreaker

FAILURES: Final = 3
_PORTS = {"ldap": 389, "ldaps": 636}
_DEFAULT_SECONDS = 5.0


@dataclass(frozen=True)
class Server:
    host: str
    port: int
    is_tls: bool
    """From the first octet on; with the others it begins with StartTLS."""

    @classmethod
    def parse(cls, url: str) -> "Server":
        """Raises DirectoryFault: neither ldaps://host nor ldap://host."""
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname
        except ValueError:
            raise DirectoryFault("a url of the directory is none") from None
        if parts.scheme not in _PORTS or not host or parts.username is not None or port == 0:
            raise DirectoryFault(
                "the directory's urls must be ldaps://host[:port] or ldap://host[:port]"
            )
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise DirectoryFault("the directory's urls must end after the host and port")
        return cls(host, port or _PORTS[parts.scheme], parts.scheme == "ldaps")

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Connecting:
    """What of a tenant's options says how to reach the directory."""

    servers: tuple[Server, ...]
    authorities: str
    seconds: float

    @classmethod
    def of(cls, options: Mapping[str, Any], secrets: Mapping[str, str]) -> "Connecting":
        """Raises DirectoryFault: it cannot be done safely so."""
        urls = options["url"] if isinstance(options["url"], list) else [options["url"]]
        servers = tuple(Server.parse(url) for url in urls)
        if not servers:
            raise DirectoryFault("the directory has no url")
        if not options.get("start_tls", False) and not all(server.is_tls for server in servers):
            raise DirectoryFault("ldap:// without start_tls would send passwords in the clear")
        authorities = secrets.get("ca_certificate") or options.get("ca_certificate") or ""
        seconds = float(options.get("timeout_seconds", _DEFAULT_SECONDS))
        return cls(servers, authorities, seconds)


@dataclass(frozen=True)
class Servers:
    connecting: Connecting
    tenant_id: UUID

    @contextmanager
    def first(self, *, until: float) -> Iterator[tuple[Server, Link]]:
        """An encrypted connection to the first that can be had; what fails inside counts against that server.

        Raises:
            ServerFault: none can be.
        """
        reasons = []
        for server in self.connecting.servers:
            breaker = self._breaker(server)
            if not breaker.allows():
                reasons.append(f"{server.name} has failed too often of late")
                continue
            try:
                link = self.open(server, until=until)
            except ServerFault as fault:
                breaker.failed()
                reasons.append(str(fault))
                continue
            with _closing(link), _judged_by(breaker):
                yield server, link
            return
        raise ServerFault("; ".join(reasons))

    def open(self, server: Server, *, until: float) -> Link:
        """An encrypted connection to this one, whatever came of it before. Raises ServerFault."""
        context = tls_context(self.connecting.authorities)
        link = Link(
            host=server.host, port=server.port, until=until, seconds=self.connecting.seconds
        )
        try:
            if server.is_tls:
                link.encrypt(context)
            else:
                link.start_tls(context)
        except BaseException:
            link.close()
            raise
        return link

    def trust_again(self, server: Server) -> None:
        """Ask it with the next sign-in, however often it has failed."""
        self._breaker(server).reset()

    def _breaker(self, server: Server) -> CircuitBreaker:
        return breaker_of(tenant_id=self.tenant_id, server=server.name)

    def until(self) -> float:
        """When an attempt that begins now must be over: each server may take its time, once."""
        seconds = self.connecting.seconds
        return time.monotonic() + seconds * (1 + len(self.connecting.servers))


def breaker_of(*, tenant_id: UUID, server: str) -> CircuitBreaker:
    return CircuitBreaker(
        dependency="directory", name=server, tenant_id=tenant_id, failures=FAILURES,
        pause=settings.DIRECTORY_PAUSE_SECONDS,
    )  # fmt: skip


@contextmanager
def _closing(link: Link) -> Iterator[None]:
    try:
        yield
    finally:
        link.close()


@contextmanager
def _judged_by(breaker: CircuitBreaker) -> Iterator[None]:
    try:
        yield
    except ServerFault:
        breaker.failed()
        raise
    except Exception:
        breaker.succeeded()  # it answered, whatever we made of it
        raise
    breaker.succeeded()
