"""An audit database with five logins of its own, as `manage.py audit install` makes it."""

import secrets
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from psycopg import conninfo

from shared_apps.audit import installation as audit

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TENANTS = (UUID(int=0xA1), UUID(int=0xA2))
LIMITED = {
    "writer": audit.WRITER,
    "reader": audit.READER,
    "auditor": audit.AUDITOR,
    "retention": audit.RETENTION,
}


class Audit:
    """An audit database with five logins that nobody else uses."""

    def __init__(self) -> None:
        self.name = f"{settings.DATABASES['default']['NAME']}_{secrets.token_hex(3)}"
        self.settings = {
            setting: conninfo.make_conninfo(
                settings.AUDIT_ADMIN_DATABASE_URL,
                dbname=self.name, user=f"{self.name}_{setting.lower()}", password=f"{setting}'\"\\",
            )
            for setting in audit.SETTINGS
        }  # fmt: skip

    def admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(settings.AUDIT_ADMIN_DATABASE_URL, dbname=self.name, autocommit=True)

    def connect(self, setting: str) -> psycopg.Connection[Any]:
        return psycopg.connect(self.settings[setting], autocommit=True)

    def run(self, statement: str) -> None:
        """As the administrator; `{writer}` and so on stand for the logins."""
        names = {role: f'"{self.login(setting)}"' for role, setting in LIMITED.items()}
        with self.admin() as admin:
            admin.execute(statement.format(**names))  # type: ignore[arg-type]  # made of constants

    def login(self, setting: str) -> str:
        return f"{self.name}_{setting.lower()}"

    def contents(self) -> list[Any]:
        """Every entry, and whatever says who may do what with them."""
        with self.admin() as admin:
            return [
                admin.execute(query).fetchall()  # type: ignore[arg-type]  # constants
                for query in (
                    "SELECT e::text FROM audit.entry e ORDER BY 1",
                    "SELECT c::text FROM audit.chain c ORDER BY 1",
                    "SELECT oid::regclass::text, relacl::text, relrowsecurity, relforcerowsecurity, relowner FROM pg_class"
                    " WHERE relnamespace IN ('audit'::regnamespace, 'public'::regnamespace) ORDER BY 1",
                    "SELECT p::text FROM pg_policies p ORDER BY 1",
                    "SELECT oid::regprocedure::text, proacl::text, prosrc FROM pg_proc"
                    " WHERE pronamespace = 'audit'::regnamespace ORDER BY 1",
                    "SELECT rolname, rolsuper, rolcreaterole, rolbypassrls FROM pg_roles ORDER BY 1",
                    "SELECT a.member, a.roleid FROM pg_auth_members a ORDER BY 1, 2",
                    "SELECT datdba, datacl::text FROM pg_database WHERE datname = current_database()",
                )
            ]

    def drop(self) -> None:
        with psycopg.connect(settings.AUDIT_ADMIN_DATABASE_URL, autocommit=True) as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')  # type: ignore[arg-type]  # hexadecimal
            for setting in audit.SETTINGS:
                admin.execute(f'DROP ROLE IF EXISTS "{self.login(setting)}"')  # type: ignore[arg-type]  # as above
