"""The audit database of an installation: its logins, the database, and the store in it.

Knows the five logins by their URLs. It can be run again: after a password was changed, after an
upgrade, or to repair.
"""

from dataclasses import dataclass

from django.conf import settings
from psycopg import conninfo

from shared_apps.audit import store
from shared_apps.core import servers
from shared_apps.core.servers import InstallationError, Login

OWNER = "AUDIT_MIGRATION_DATABASE_URL"
WRITER = "AUDIT_DATABASE_URL"
READER = "AUDIT_READER_DATABASE_URL"
AUDITOR = "AUDIT_AUDITOR_DATABASE_URL"
RETENTION = "AUDIT_RETENTION_DATABASE_URL"

SETTINGS = (OWNER, WRITER, READER, AUDITOR, RETENTION)


@dataclass(frozen=True, slots=True)
class Logins:
    owner: Login
    writer: Login
    reader: Login
    auditor: Login
    retention: Login

    @classmethod
    def from_settings(cls) -> "Logins":
        """Raises InstallationError: one is not set, two are the same, or they name several databases."""
        found = [Login.from_url(url_of(setting), setting=setting) for setting in SETTINGS]
        servers.require_different(SETTINGS, found)
        if len({login.database for login in found}) > 1:
            raise InstallationError(f"{', '.join(SETTINGS)} must name the same database")
        return cls(*found)

    @property
    def roles(self) -> store.Roles:
        return store.Roles(
            writer=self.writer.name,
            reader=self.reader.name,
            auditor=self.auditor.name,
            retention=self.retention.name,
        )

    @property
    def limited(self) -> tuple[Login, ...]:
        """All but the owner."""
        return (self.writer, self.reader, self.auditor, self.retention)


def url_of(setting: str) -> str:
    return str(getattr(settings, setting))


def install() -> list[str]:
    """Make what is missing; returns the names of the store's scripts that were run.

    Without AUDIT_ADMIN_DATABASE_URL the logins and the database must be there: made by somebody else,
    with the owner's login as the database's owner.

    Raises:
        InstallationError: a URL is missing or unfit.
        psycopg.Error: the server refuses.
    """
    logins = Logins.from_settings()
    if settings.AUDIT_ADMIN_DATABASE_URL:
        _make_database(logins)
    with servers.connect(url_of(OWNER), setting=OWNER) as connection:
        missing = [login.name for login in logins.limited if not servers.exists(connection, login)]
        if missing:
            raise InstallationError(
                f"There is no login {', '.join(missing)}: make it, or set AUDIT_ADMIN_DATABASE_URL"
            )
        return store.upgrade(connection, logins.roles)


def _make_database(logins: Logins) -> None:
    admin_url, setting = settings.AUDIT_ADMIN_DATABASE_URL, "AUDIT_ADMIN_DATABASE_URL"
    with servers.connect(admin_url, setting=setting) as admin:
        for login in (logins.owner, *logins.limited):
            servers.ensure_login(admin, login)
        servers.ensure_database(admin, logins.owner, logins=logins.limited)
    inside_url = conninfo.make_conninfo(admin_url, dbname=logins.owner.database)
    with servers.connect(inside_url, setting=setting) as admin:
        servers.own_public_schema(admin, logins.owner)
