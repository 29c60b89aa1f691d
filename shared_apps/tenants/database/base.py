"""The database backend: every statement runs as the role, and on the path, of the current context.

The context (core/context.py) is the truth and a connection only mirrors it. Before a statement whose
context differs from what the connection was last given, the new one is set in the *same message* (a
simple-protocol query of several statements), so it costs no round trip and cannot be separated from
its statement. No context raises before anything is sent. ADR 0003 says why django-tenants' own
wrapper is not the base class.
"""

import select
from typing import Any, ClassVar, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base as postgresql
from django_tenants.postgresql_backend.introspection import DatabaseSchemaIntrospection
from psycopg.pq import TransactionStatus

from shared_apps.core import context
from shared_apps.tenants.database.cursor import TenantCursor, TenantServerSideCursor
from shared_apps.tenants.database.session import ConnectionSession, schema_of


class DatabaseWrapper(postgresql.DatabaseWrapper):
    """PostgreSQL with a tenant's role and search_path.

    `TENANT_ROLES: False` in the settings is for the migration login, which owns the schemas and
    therefore keeps its own role; the path follows the context there too.
    """

    introspection_class: ClassVar[type] = DatabaseSchemaIntrospection
    include_public_schema = True

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        super().__init__(settings_dict, alias)
        if settings_dict["OPTIONS"].get("server_side_binding"):
            raise ImproperlyConfigured(
                "server_side_binding cannot be used: the extended protocol takes one statement a "
                "message, so a statement could be separated from its tenant."
            )
        self.uses_roles: bool = settings_dict.get("TENANT_ROLES", True)

    # -- what django-tenants' commands and router ask a connection ------------------------------

    @property
    def schema_name(self) -> str:
        return schema_of(context.require())

    @property
    def tenant(self) -> context.TenantIdentity | None:
        scope = context.current()
        return scope if isinstance(scope, context.TenantIdentity) else None

    def set_tenant(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError(
            "a connection has no tenant of its own: enter context.tenant(...) instead"
        )

    set_schema = set_tenant
    set_schema_to_public = set_tenant

    # -- cursors --------------------------------------------------------------------------------

    def create_cursor(self, name: str | None = None) -> Any:
        context.require()
        connection = self.connection
        cursor: Any
        if name:
            cursor = TenantServerSideCursor(
                connection, name=name, scrollable=False, withhold=connection.autocommit
            )
        else:
            cursor = TenantCursor(connection)
        cursor.session = self.session
        self._register_time_zone(cursor)
        return cursor

    @property
    def session(self) -> ConnectionSession:
        """What the server-side session was last given; it lives and dies with the connection."""
        try:
            session: ConnectionSession = self.connection.freehold_session
        except AttributeError:
            session = ConnectionSession(uses_roles=self.uses_roles)
            self.connection.freehold_session = session
        return session

    def _register_time_zone(self, cursor: Any) -> None:
        """As the base class does for the cursors that it makes."""
        loader = self.connection.adapters.get_loader(
            postgresql.TIMESTAMPTZ_OID, postgresql.Format.TEXT
        )
        if self.timezone != loader.timezone:
            postgresql.register_tzloader(self.timezone, cursor)

    # -- after a commit the relay is told where to look -----------------------------------------

    def _commit(self) -> None:
        super()._commit()
        if self.connection is not None:
            self.session.announce_writes()

    # -- a rollback takes back the settings that were made in the transaction ---------------------

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self._forget_session()

    def _savepoint_rollback(self, sid: str) -> None:
        try:
            super()._savepoint_rollback(sid)
        finally:
            self._forget_session()

    def _forget_session(self) -> None:
        if self.connection is not None:
            self.session.forget()

    # -- health ---------------------------------------------------------------------------------

    def close_if_health_check_failed(self) -> None:
        """Notice a connection that the server has closed by looking at the socket.

        Django's own check is a round trip per request. A closed or reset connection is readable
        without a question having been asked; what the look misses (a silent peer) is caught by the
        statement itself, as it would be a millisecond after any check.
        """
        if self.connection is None or not self.health_check_enabled or self.health_check_done:
            return
        if self._socket_has_ended():
            self.close()
        self.health_check_done = True

    def _socket_has_ended(self) -> bool:
        pgconn = self.connection.pgconn
        if self.connection.closed:
            return True
        if pgconn.transaction_status != TransactionStatus.IDLE:
            return False
        poll = select.poll()
        poll.register(pgconn.socket, select.POLLIN | select.POLLERR | select.POLLHUP)
        if not poll.poll(0):
            return False
        try:
            pgconn.consume_input()
        except self.Database.OperationalError:
            return True
        return bool(self.connection.closed)
