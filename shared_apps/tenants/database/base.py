"""The database backend: every statement runs as the role, and on the path, of the current context.

The context (core/context.py) is the truth and a connection only mirrors it. Before a statement whose
context differs from what the connection was last given, the new one is set in the *same message* (a
simple-protocol query of several statements), so it costs no round trip and cannot be separated from
its statement. Behind a pooler that shares server connections between transactions every transaction
is given its own (ADR 0006). No context raises before anything is sent. ADR 0003 says why
django-tenants' own wrapper is not the base class.
"""

from typing import Any, ClassVar, NoReturn

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base as postgresql
from psycopg import IsolationLevel

from shared_apps.core import context, databases
from shared_apps.core.databases import Database
from shared_apps.tenants.database import probe, recycling, usage
from shared_apps.tenants.database.connection import TenantConnection
from shared_apps.tenants.database.cursor import TenantCursor, TenantServerSideCursor
from shared_apps.tenants.database.introspection import SchemaIntrospection
from shared_apps.tenants.database.profile import Profile
from shared_apps.tenants.database.session import ConnectionSession, schema_of


class DatabaseWrapper(postgresql.DatabaseWrapper):
    """PostgreSQL with a tenant's role and search_path; profile.py says what an alias may set."""

    introspection_class: ClassVar[type] = SchemaIntrospection
    include_public_schema = True

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        # Asked for by an alias that names a tenant (owned_alias.py), it serves all of them.
        super().__init__(settings_dict, str(alias))
        self.profile = Profile.from_settings(settings_dict)
        if self.profile.is_sharded:
            self.ops.compiler_module = "shared_apps.tenants.database.values_compiler"

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

    # -- connections ----------------------------------------------------------------------------

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        parameters["cursor_factory"] = TenantCursor
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> TenantConnection:
        try:
            probe.require_safe_route(self)
        except psycopg.OperationalError as error:
            raise databases.unreachable(error, Database.TENANTS, conn_params) from error
        isolation = self.settings_dict["OPTIONS"].get("isolation_level")
        self.isolation_level = IsolationLevel(isolation or IsolationLevel.READ_COMMITTED)
        connection = self._from_pool() if self.pool else self._connect(conn_params)
        if isolation:
            connection.isolation_level = self.isolation_level
        return connection

    @staticmethod
    def _connect(parameters: dict[str, Any]) -> TenantConnection:
        try:
            return TenantConnection.connect(**parameters)
        except psycopg.OperationalError as error:
            raise databases.unreachable(error, Database.TENANTS, parameters) from error

    @property
    def pool(self) -> Any:
        options = self.settings_dict["OPTIONS"].get("pool")
        if not options:
            return None
        if known := self._connection_pools.get(self.alias):
            return known
        if "connection_class" not in options:
            if options is True or self.settings_dict["CONN_HEALTH_CHECKS"]:
                raise ImproperlyConfigured(
                    "a pool needs a dict of options and CONN_HEALTH_CHECKS off: its connections are"
                    " looked at when they are taken"
                )
            options["connection_class"] = TenantConnection
        return super().pool

    def _from_pool(self) -> TenantConnection:
        """A live connection of the pool's; dead ones are handed back, which replaces them."""
        pool = self.pool
        if pool.closed:
            pool.open()
        with usage.WAITING.track_inprogress():
            while True:
                connection: TenantConnection = pool.getconn()
                if not connection.has_ended():
                    break
                connection.close()
                pool.putconn(connection)
        usage.IN_USE.inc()
        return connection

    def _set_autocommit(self, autocommit: bool) -> None:
        if self.connection is None or self.connection.autocommit != autocommit:
            super()._set_autocommit(autocommit)

    def _configure_connection(self, connection: TenantConnection) -> bool:
        """Everything that a new connection is given once, by us or by the pool."""
        connection.session = ConnectionSession(self.profile, self.alias)
        wanted = self.timezone_name
        if wanted and connection.info.parameter_status("TimeZone") != wanted:
            with connection.bare_cursor() as cursor:
                statement = cursor.mogrify(self.ops.set_time_zone_sql(), [wanted])
                cursor.execute(statement)
            connection.session.set_up = statement.encode()
            return True
        return False

    def _close(self) -> None:
        """A connection that goes back into the pool hands nothing of a tenant on."""
        if self.connection is not None and self.pool and not self.connection.closed:
            if not self._reset():
                self.connection.close()  # the pool makes another one
            elif self.is_exhausted:
                recycling.discard(self.connection)
        goes_back = self.connection is not None and self.pool is not None
        super()._close()
        if goes_back:
            usage.IN_USE.dec()

    @property
    def is_exhausted(self) -> bool:
        """The server process behind the present connection has met too many tenants."""
        return self.connection is not None and self.connection.session.acquaintance.is_exhausted

    def close_if_unusable_or_obsolete(self) -> None:
        """Called by Django and Celery between two requests or tasks."""
        super().close_if_unusable_or_obsolete()
        if self.is_exhausted and not self.in_atomic_block:
            self.close()

    def is_usable(self) -> bool:
        if self.connection is None:
            return False
        try:
            with self.connection.bare_cursor() as cursor:
                cursor.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def close_if_health_check_failed(self) -> None:
        if self.health_check_done or not self.health_check_enabled or self.connection is None:
            return
        # The migration login's work takes locks of the session, and lets go of them itself.
        has_leftovers = self.profile.uses_roles and self.connection.session.has_leftovers
        is_lost = self.connection.has_ended() or (has_leftovers and not self._reset())
        if is_lost and not self.pool:
            self.close()
        self.health_check_done = True

    def _reset(self) -> bool:
        """Between two pieces of work: what one has left in the session meets no other."""
        try:
            self.connection.reset_context()
        except psycopg.Error:
            return False
        return True

    # -- cursors --------------------------------------------------------------------------------

    def create_cursor(self, name: str | None = None) -> Any:
        context.require()
        if not name:
            return super().create_cursor()
        cursor = TenantServerSideCursor(
            self.connection, name=name, scrollable=False, withhold=self.connection.autocommit
        )
        loader = self.connection.adapters.get_loader(
            postgresql.TIMESTAMPTZ_OID, postgresql.Format.TEXT
        )
        if self.timezone != loader.timezone:
            postgresql.register_tzloader(self.timezone, cursor)
        return cursor

    def chunked_cursor(self) -> Any:
        """For `QuerySet.iterator()`.

        Outside of a transaction a server-side cursor would have to outlive its statement, which a
        pooler in transaction mode does not allow: all rows are read at once there.
        """
        self.ensure_connection()
        if self.profile.is_per_transaction and self.connection.autocommit:
            return self.cursor()
        return super().chunked_cursor()

    # -- after a commit the relay is told where to look -----------------------------------------

    def _commit(self) -> None:
        super()._commit()
        if self.connection is not None:
            self.connection.session.announce_writes()

    def _savepoint_rollback(self, sid: str) -> None:
        try:
            super()._savepoint_rollback(sid)
        finally:
            if self.connection is not None:
                self.connection.session.forget()
