"""The two databases of an installation as their owners reach them: who owns everything may dump it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from django.conf import settings
from psycopg import conninfo

from shared_apps.core import databases
from shared_apps.core.databases import Database
from shared_apps.core.required import required

_ADDRESS = ("host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A database and the login that owns what is in it."""

    key: str
    """`application` or `audit`: the beginning of its files' names."""
    parameters: Mapping[str, str]

    @classmethod
    def application(cls) -> Self:
        """Raises SettingMissingError: this process was not given the owner's login."""
        required_alias = settings.DATABASES["migration"]
        if required_alias["USER"] == settings.DATABASES["default"]["USER"]:
            required("MIGRATION_DATABASE_URL")
        found = {
            "host": required_alias["HOST"],
            "port": required_alias["PORT"],
            "user": required_alias["USER"],
            "password": required_alias["PASSWORD"],
            "dbname": required_alias["NAME"],
        }
        return cls("application", {name: str(value) for name, value in found.items() if value})

    @classmethod
    def audit(cls) -> Self:
        """Raises SettingMissingError."""
        url = required("AUDIT_MIGRATION_DATABASE_URL")
        parts = conninfo.conninfo_to_dict(url)
        return cls("audit", {name: str(parts[name]) for name in _ADDRESS if parts.get(name)})

    @property
    def database(self) -> str:
        return self.parameters["dbname"]

    @property
    def owner(self) -> str:
        return self.parameters["user"]

    def in_database(self, name: str) -> "Source":
        return Source(self.key, {**self.parameters, "dbname": name})

    @property
    def address(self) -> str:
        """For a program's arguments, which everybody on the machine can read: without the password."""
        return conninfo.make_conninfo(
            **{name: value for name, value in self.parameters.items() if name != "password"}
        )

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """In autocommit, with nothing that ends it while it waits for others."""
        database = Database.AUDIT if self.key == "audit" else Database.TENANTS
        connection = databases.connect(
            conninfo.make_conninfo(**self.parameters, application_name="freehold backup"),
            database,
            autocommit=True,
            **options,
        )
        connection.execute(
            "SELECT set_config(name, '0', false) FROM unnest(ARRAY['statement_timeout',"
            " 'lock_timeout', 'idle_in_transaction_session_timeout']) AS name"
        )
        return connection


def both() -> tuple[Source, Source]:
    """Raises SettingMissingError: a login is missing; both are needed."""
    return Source.application(), Source.audit()
