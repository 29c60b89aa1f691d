"""Servers in containers, and the environments of installations on them."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from scripts.stack.containers import POSTGRES_IMAGE, REDIS_IMAGE
from scripts.stack.environment import Secrets
from tests.deploy.image.engine import Container, Network

# What breaks addresses that are put together by hand.
PASSWORD = "p@ss:/?#%"
_SERVER = ("postgres", "-c", "max_connections=200", "-c", "max_locks_per_transaction=256")


@dataclass(frozen=True)
class Servers:
    network: Network
    application: Container
    audit: Container
    redis: Container


def start_postgres(network: Network, alias: str) -> Container:
    return network.start(
        POSTGRES_IMAGE, *_SERVER, alias=alias, environment={"POSTGRES_PASSWORD": PASSWORD}
    )


def start_servers(network: Network) -> Servers:
    return Servers(
        network,
        start_postgres(network, "application"),
        start_postgres(network, "audit"),
        network.start(REDIS_IMAGE, alias="redis"),
    )


@dataclass(frozen=True)
class Installation:
    """Its logins and databases begin with a name of its own."""

    servers: Servers
    prefix: str = field(default_factory=lambda: f"i{secrets.token_hex(3)}")
    generated: Secrets = field(default_factory=Secrets)
    redis_database: int = 0

    @property
    def database(self) -> str:
        return self.prefix

    def environment(self, **more: str) -> dict[str, str]:
        """Of a web process that prepares: every login."""
        return {**self.serving(), **self._owner(), **self._auditing(), **self._installing(), **more}

    def provisioning(self) -> dict[str, str]:
        return {**self.serving(), **self._owner(), **self._auditing()}

    def relaying(self) -> dict[str, str]:
        return {**self.serving(), **self._auditing()}

    def serving(self) -> dict[str, str]:
        generated = self.generated
        return {
            "PUBLIC_HOST": "ops.example.com",
            "PUBLIC_URL": "https://ops.example.com",
            "TRUSTED_PROXIES": self.servers.network.subnet,
            "REDIS_URL": f"redis://redis:6379/{self.redis_database}",
            "CELERY_BROKER_URL": f"redis://redis:6379/{self.redis_database + 1}",
            "SECRET_KEY": generated.secret_key,
            "JWT_SIGNING_KEYS": generated.jwt_signing_keys,
            "AUDIT_SEALING_KEYS": generated.audit_sealing_keys,
            "AUTH_ENCRYPTION_KEYS": generated.auth_encryption_keys,
            "SPARE_SCHEMAS": "0",
            "POSTGRES_HOST": "application",
            "POSTGRES_DB": self.prefix,
            **self._login("POSTGRES", "app"),
            "AUDIT_POSTGRES_HOST": "audit",
            "AUDIT_POSTGRES_DB": f"{self.prefix}_audit",
            **self._login("AUDIT_POSTGRES", "audit_writer"),
            **self._login("AUDIT_READER_POSTGRES", "audit_reader"),
        }

    def _owner(self) -> dict[str, str]:
        return self._login("MIGRATION_POSTGRES", "owner")

    def _auditing(self) -> dict[str, str]:
        return {
            **self._login("RELAY_POSTGRES", "relay"),
            **self._login("AUDIT_AUDITOR_POSTGRES", "audit_auditor"),
        }

    def _installing(self) -> Mapping[str, str]:
        return {
            "ADMIN_POSTGRES_USER": "postgres",
            "ADMIN_POSTGRES_PASSWORD": PASSWORD,
            "AUDIT_ADMIN_POSTGRES_USER": "postgres",
            "AUDIT_ADMIN_POSTGRES_PASSWORD": PASSWORD,
            **self._login("AUDIT_MIGRATION_POSTGRES", "audit_owner"),
            **self._login("AUDIT_RETENTION_POSTGRES", "audit_retention"),
        }

    def _login(self, parts: str, login: str) -> dict[str, str]:
        return {
            f"{parts}_USER": f"{self.prefix}_{login}",
            f"{parts}_PASSWORD": f"{PASSWORD}{self.generated.passwords[login]}",
        }

    def sql(self, statement: str) -> str:
        """What the server's superuser reads in the application's database."""
        return self.servers.application.execute(
            *(
                "env",
                f"PGPASSWORD={PASSWORD}",
                "psql",
                "-U",
                "postgres",
                "-h",
                "127.0.0.1",
                "-d",
                self.database,
            ),
            *("-At", "-c", statement),
        )
