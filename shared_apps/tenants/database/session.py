"""What a PostgreSQL session has been told about the context, and the SQL that tells it."""

from functools import lru_cache

from psycopg import sql

from shared_apps.audit import hints
from shared_apps.core import attribution, context

PUBLIC_SCHEMA = "public"


class ConnectionSession:
    """The state of one server-side session, kept on the connection object itself.

    So it follows the connection through a pool and is gone when the connection is.
    """

    __slots__ = ("_attribution", "_scope", "_written", "uses_roles")

    def __init__(self, *, uses_roles: bool) -> None:
        self.uses_roles = uses_roles
        self._scope: context.Scope | None = None
        self._attribution: attribution.Attribution | None = None
        self._written: set[str] = set()

    def pending(self) -> list[str]:
        """The statements that bring the session up to the current context; mostly none.

        Raises:
            TenantContextRequired: there is no context.
        """
        scope, who = context.require(), attribution.current()
        if self._scope is scope and self._attribution is who:
            return []
        statements: list[str] = []
        if self._scope != scope:
            statements += _scope_statements(scope, uses_roles=self.uses_roles)
        if self._attribution != who:
            statements.append(_attribution_statement(who.as_json))
        return statements

    def confirm(self) -> None:
        """The server has accepted what `pending` gave."""
        self._scope, self._attribution = context.require(), attribution.current()

    def forget(self) -> None:
        """The server's state is not known any more: set everything again."""
        self._scope = self._attribution = None

    def note_write(self, *, autocommit: bool) -> None:
        """A statement that may have written has been executed."""
        self._written.add(schema_of(context.require()))
        if autocommit:
            self.announce_writes()

    def announce_writes(self) -> None:
        """What was written is committed."""
        if self._written:
            for schema in self._written:
                hints.send(schema)
            self._written.clear()


def schema_of(scope: context.Scope) -> str:
    return scope.schema if isinstance(scope, context.TenantIdentity) else PUBLIC_SCHEMA


@lru_cache(maxsize=4096)
def _scope_statements(scope: context.Scope, *, uses_roles: bool) -> tuple[str, ...]:
    match scope:
        case context.TenantIdentity():
            role = _identifier(scope.role)
            path = f"{_identifier(scope.schema)}, {PUBLIC_SCHEMA}"
        case context.CrossTenantScope():
            role, path = _identifier(scope.role), PUBLIC_SCHEMA
        case context.OperatorScope():
            role, path = "NONE", PUBLIC_SCHEMA
    path_statement = f"SET search_path = {path}"
    return (f"SET ROLE {role}", path_statement) if uses_roles else (path_statement,)


def _attribution_statement(as_json: str) -> str:
    # psycopg's quoting takes longer than what it quotes. The JSON is ASCII without control
    # characters, so a quote and a backslash are all that could need care.
    if "'" in as_json or "\\" in as_json:
        return f"SET freehold.attribution = {sql.Literal(as_json).as_string(None)}"
    return f"SET freehold.attribution = '{as_json}'"


def _identifier(name: str) -> str:
    return sql.Identifier(name).as_string(None)
