"""What a PostgreSQL session has been told about the context, and the SQL that tells it."""

from functools import lru_cache
from uuid import UUID

from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGconn

from shared_apps.audit import hints
from shared_apps.core import attribution, context, route
from shared_apps.tenants.database.comment import statement_comment
from shared_apps.tenants.database.profile import Profile
from shared_apps.tenants.database.recycling import Acquaintance

PUBLIC_SCHEMA = "public"
_SEARCH_PATH = b"search_path"
_IDLE = TransactionStatus.IDLE


class ConnectionSession:
    """The state of one server-side session, kept on the connection object itself.

    So it follows the connection through a pool and is gone when the connection is. In session mode
    what was told holds until it is told otherwise; in transaction mode until the transaction ends,
    which for a statement outside of one is the statement itself.
    """

    __slots__ = (
        "_attribution",
        "_comment",
        "_comment_for",
        "_full",
        "_full_for",
        "_is_provisional",
        "_scope",
        "_written",
        "acquaintance",
        "alias",
        "has_leftovers",
        "is_per_transaction",
        "profile",
        "set_up",
    )

    def __init__(self, profile: Profile, alias: str) -> None:
        self.profile = profile
        self.alias = alias
        self.is_per_transaction = profile.is_per_transaction
        # Statements may have left more in the session than what is told here.
        self.has_leftovers = False
        # What the session was told when it was new.
        self.set_up = b""
        self.acquaintance = Acquaintance(profile.tenants_per_connection)
        self._scope: context.Scope | None = None
        self._attribution: attribution.Attribution | None = None
        self._is_provisional = False
        self._written: set[str] = set()
        self._comment = ""
        self._comment_for: tuple[object, object, object] = (None, None, None)
        self._full: tuple[str, ...] = ()
        self._full_for: tuple[object, object] = (None, None)

    def pending(self, status: int) -> tuple[str, ...]:
        """The statements that bring the session up to the current context; mostly none.

        Raises:
            TenantContextRequired: there is no context.
        """
        scope, who = context.require(), attribution.current()
        # Told within a transaction that has ended in a way that nobody reported, or in transaction
        # mode, where the next statement may meet another server connection.
        if status == _IDLE and (self._is_provisional or self.is_per_transaction):
            self.forget()
        if self._scope is scope and self._attribution is who:
            return ()
        if self._scope is None and self._attribution is None:
            return self._everything(scope, who)
        changes = _changes(self._scope, scope, self.profile)
        if self._attribution == who:
            return changes
        return (*changes, _attribution_statement(who, self.profile))

    def _everything(self, scope: context.Scope, who: attribution.Attribution) -> tuple[str, ...]:
        """In transaction mode the same for each statement of a request, so it is kept."""
        known = self._full_for
        if known[0] is not scope or known[1] is not who:
            self._full = (
                *_changes(None, scope, self.profile),
                _attribution_statement(who, self.profile),
            )
            self._full_for = (scope, who)
        return self._full

    def confirm(self, status: int) -> None:
        """The server has accepted what `pending` gave; it is now in this transaction status."""
        if status == _IDLE and self.is_per_transaction:
            return  # it held for that statement
        self._scope, self._attribution = context.require(), attribution.current()
        self.acquaintance.add(self._scope)
        self._is_provisional = status != _IDLE

    def settle(self) -> None:
        """The transaction has been committed."""
        if self.is_per_transaction:
            self.forget()
        self._is_provisional = False

    def forget(self) -> None:
        """The server's state is not known any more: set everything again."""
        self._scope = self._attribution = None
        self._is_provisional = False

    def note_traces(self) -> None:
        """A statement is sent that may leave something. In transaction mode it is no session of ours."""
        self.has_leftovers = not self.is_per_transaction

    def has_been_reset(self) -> None:
        self.forget()
        self.has_leftovers = False

    def comment(self) -> str:
        """What goes ahead of each statement; made once a request."""
        if not self.profile.has_comments:
            return ""
        return self._comment_of(context.require())

    def comment_of_command(self) -> str:
        """For psycopg's own commands, which end a transaction also where the context was left."""
        scope = context.current()
        return self._comment_of(scope) if scope and self.profile.has_comments else ""

    def _comment_of(self, scope: context.Scope) -> str:
        who, where = attribution.current(), route.current()
        known = self._comment_for
        if known[0] is not scope or known[1] is not who or known[2] is not where:
            self._comment = statement_comment(scope, who, where)
            self._comment_for = (scope, who, where)
        return self._comment

    def agrees(self, pgconn: PGconn) -> bool:
        """Whether the path that the server reports is the one that it was told.

        PostgreSQL reports it from version 18 on, with its answer and without a round trip. Something
        else has changed it when the two differ.
        """
        if self._scope is None:
            return True
        reported = pgconn.parameter_status(_SEARCH_PATH)
        return reported is None or reported == _reported_path(self._scope)

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


# -- from a scope to what its statements run as: here and nowhere else ------------------------------


def schema_of(scope: context.Scope) -> str:
    return scope.schema if isinstance(scope, context.TenantIdentity) else PUBLIC_SCHEMA


def _tenant_of(scope: context.Scope | None) -> UUID | None:
    return scope.id if isinstance(scope, context.TenantIdentity) else None


def _role_of(scope: context.Scope) -> str:
    match scope:
        case context.TenantIdentity() | context.CrossTenantScope():
            return _identifier(scope.role)
        case context.OperatorScope():
            return "NONE"


def _path_of(scope: context.Scope) -> tuple[str, ...]:
    if isinstance(scope, context.TenantIdentity):
        return (scope.schema, PUBLIC_SCHEMA)
    return (PUBLIC_SCHEMA,)


def _parameters(scope: context.Scope, profile: Profile) -> dict[str, str]:
    """Settings in the order in which they are made: the role last, as it may do the least."""
    statement = profile.statement_timeout_ms
    idle = profile.idle_in_transaction_timeout_ms
    if isinstance(scope, context.TenantIdentity) and profile.uses_roles:
        statement = scope.limits.statement_timeout_ms or statement
        idle = scope.limits.idle_in_transaction_timeout_ms or idle
    parameters = {
        "search_path =": ", ".join(_identifier(name) for name in _path_of(scope)),
        "statement_timeout =": str(statement),
        "idle_in_transaction_session_timeout =": str(idle),
    }
    if profile.uses_roles:
        parameters["ROLE"] = _role_of(scope)
    return parameters


@lru_cache(maxsize=4096)
def _changes(
    before: context.Scope | None, after: context.Scope, profile: Profile
) -> tuple[str, ...]:
    known = {} if before is None else _parameters(before, profile)
    if _tenant_of(before) != _tenant_of(after):
        # A tenant that is made again has a new role under the old name.
        known.pop("ROLE", None)
    verb = _verb(profile)
    return tuple(
        f"{verb} {name} {value}"
        for name, value in _parameters(after, profile).items()
        if known.get(name) != value
    )


def _attribution_statement(who: attribution.Attribution, profile: Profile) -> str:
    # psycopg's quoting takes longer than what it quotes. The JSON is ASCII without control
    # characters, so a quote and a backslash are all that could need care.
    value = who.as_json
    literal = sql.Literal(value).as_string(None) if "'" in value or "\\" in value else f"'{value}'"
    return f"{_verb(profile)} freehold.attribution = {literal}"


def _verb(profile: Profile) -> str:
    return "SET LOCAL" if profile.is_per_transaction else "SET"


@lru_cache(maxsize=4096)
def _reported_path(scope: context.Scope) -> bytes:
    """As PostgreSQL prints it; names of ours (tenants/names.py) need no quotes there."""
    return ", ".join(_path_of(scope)).encode()


def _identifier(name: str) -> str:
    return sql.Identifier(name).as_string(None)
