"""psycopg cursors that send the context ahead of a statement."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Self

import psycopg
from django.db.backends.postgresql.base import Cursor, ServerSideCursor
from psycopg import sql
from psycopg.pq import PipelineStatus, TransactionStatus

from shared_apps.core import context
from shared_apps.tenants.database import query_log
from shared_apps.tenants.database.connection import TenantConnection
from shared_apps.tenants.database.statement import kind_of
from shared_apps.tenants.errors import TenantMismatchError

_IDLE = TransactionStatus.IDLE
_IN_ERROR = TransactionStatus.INERROR

_NOT_ALONE = (
    "This statement cannot run inside a transaction, and behind a pooler in transaction mode every "
    "statement has to. Run it over MIGRATION_DATABASE_URL, which leads to PostgreSQL itself."
)
_NO_PIPELINE = (
    "A pipeline takes one statement a message, so a statement could be separated from its tenant. "
    "Execute one statement in this context, inside transaction.atomic(), before the pipeline."
)
_NO_HOLDABLE_CURSOR = (
    "A server-side cursor outside of a transaction would stay on one server connection, which a "
    "pooler in transaction mode gives to others meanwhile. Open it inside transaction.atomic()."
)


class _ContextMixin:
    """Brings the session up to the context, in the statement's own message where that is possible."""

    connection: TenantConnection
    _head = b""
    """What goes ahead of the statement that is about to be sent."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        text = query if type(query) is str else _as_text(query, self)
        least = query_log.threshold()
        if least is None:
            return self._execute(text, params, options)
        with self._watch(text, least, params):
            return self._execute(text, params, options)

    def _watch(self, text: str, least: float, values: Any = None) -> query_log.Watch:
        return query_log.Watch(
            text,
            alias=self.connection.session.alias,
            least=least,
            values=values,
            rows=lambda: self.rowcount,  # type: ignore[attr-defined]  # mixin
        )

    def _execute(self, text: str, params: Any, options: dict[str, Any]) -> Self:
        kind = kind_of(text)
        connection = self.connection
        session, pgconn = connection.session, connection.pgconn
        status = pgconn.transaction_status
        if kind.leaves_traces:
            session.note_traces()
        if status == _IN_ERROR or kind.controls_transaction:
            context.require()
            self._head = session.comment().encode()
            try:
                super().execute(text, params, **options)  # type: ignore[misc]  # mixin
            finally:
                self._head = b""
            if kind.controls_transaction:
                session.forget()
            return self
        pending = session.pending(status)
        if pending and session.profile.is_told_apart:
            with self._context_apart():
                self._execute_joined((), text, params, options)
        else:
            if pending and not (kind.is_joinable or session.is_per_transaction):
                self._tell(pending)
                pending = ()
            self._execute_joined(pending, text, params, options)
        if not kind.is_harmless:
            session.forget()
        elif not session.agrees(pgconn):
            self._refuse_answer()
        if kind.writes:
            session.note_write(autocommit=connection.autocommit)
        return self

    def _execute_joined(
        self, pending: tuple[str, ...], text: str, params: Any, options: dict[str, Any]
    ) -> None:
        """The statement behind what is pending, as one message.

        The text that psycopg parses and remembers stays the same from request to request: what goes
        ahead of it is added when its parameters are merged, so no percent sign there can meet them.
        """
        connection = self.connection
        session = connection.session
        head = session.comment()
        if pending:
            if connection.pgconn.pipeline_status != PipelineStatus.OFF:
                raise psycopg.NotSupportedError(_NO_PIPELINE)
            head += "; ".join(pending) + "; "
        self._head = head.encode()
        try:
            super().execute(text, params, **options)  # type: ignore[misc]  # mixin
        except psycopg.errors.ActiveSqlTransaction as error:
            session.forget()
            if session.is_per_transaction and connection.autocommit:
                raise psycopg.NotSupportedError(_NOT_ALONE) from error
            raise
        except BaseException:
            # Perhaps because the role was made anew: the next statement tells everything again.
            session.forget()
            raise
        finally:
            was_sent, self._head = not self._head, b""
        if not was_sent:
            connection.close()
            raise psycopg.InternalError("psycopg has sent a statement without its context")
        if pending:
            session.confirm(connection.pgconn.transaction_status)
            # The results of the SETs come first.
            self.set_result(len(pending))  # type: ignore[attr-defined]

    def _execute_send(self, query: Any, **options: Any) -> None:
        """psycopg's step from the merged statement to the connection."""
        if self._head:
            query.query, self._head = self._head + query.query, b""
        super()._execute_send(query, **options)  # type: ignore[misc]  # mixin

    def executemany(self, query: Any, params_seq: Iterable[Any], **options: Any) -> None:
        least = query_log.threshold()
        with self._context_apart():
            text = self._commented(query)
            if least is None:
                super().executemany(text, params_seq, **options)  # type: ignore[misc]  # mixin
            else:
                with self._watch(_as_text(query, self), least) as watch:
                    counted = _counted(params_seq, watch)
                    super().executemany(text, counted, **options)  # type: ignore[misc]  # mixin
        self.connection.session.note_write(autocommit=self.connection.autocommit)

    @contextmanager
    def copy(self, statement: Any, *args: Any, **options: Any) -> Iterator[psycopg.Copy]:
        with self._context_apart():
            text = self._commented(statement, has_parameters=bool(args))
            least = query_log.threshold()
            with (
                nullcontext()
                if least is None
                else self._watch(_as_text(statement, self), least, *args),
                super().copy(text, *args, **options) as copy,  # type: ignore[misc]  # mixin
            ):
                yield copy
        self.connection.session.note_write(autocommit=self.connection.autocommit)

    def stream(self, query: Any, *args: Any, **options: Any) -> Iterator[Any]:
        return self._stream(context.require(), query, *args, **options)

    def _stream(
        self, scope: context.Scope, query: Any, *args: Any, **options: Any
    ) -> Iterator[Any]:
        # A generator's first step may be taken where its maker's context has been left.
        _require_scope(scope)
        with self._context_apart():
            text = self._commented(query, has_parameters=bool(args))
            least = query_log.threshold()
            with (
                nullcontext() if least is None else self._watch(_as_text(query, self), least, *args)
            ):
                yield from super().stream(text, *args, **options)  # type: ignore[misc]  # mixin

    @contextmanager
    def _context_apart(self) -> Iterator[None]:
        """For what cannot share a message: in transaction mode both get a transaction of their own."""
        connection = self.connection
        session = connection.session
        session.note_traces()  # nobody has looked at the text
        is_outside = connection.autocommit and connection.pgconn.transaction_status == _IDLE
        if session.is_per_transaction and is_outside:
            with connection.transaction():
                self._tell(session.pending(connection.pgconn.transaction_status))
                yield
        else:
            self._tell(session.pending(connection.pgconn.transaction_status))
            yield

    def _commented(self, query: Any, *, has_parameters: bool = True) -> str:
        text = _as_text(query, self)
        comment = self.connection.session.comment()
        return (comment.replace("%", "%%") if has_parameters else comment) + text

    def _tell(self, pending: tuple[str, ...]) -> None:
        if not pending:
            return
        connection = self.connection
        told, least = "; ".join(pending), query_log.threshold()
        try:
            with (
                nullcontext() if least is None else self._watch(told, least),
                connection.bare_cursor() as cursor,
            ):
                cursor.execute(connection.session.comment() + told)
        except BaseException:
            connection.session.forget()
            raise
        connection.session.confirm(connection.pgconn.transaction_status)

    def _refuse_answer(self) -> None:
        """Something changed the path behind our back: nobody may see what came from there."""
        reported = self.connection.pgconn.parameter_status(b"search_path")
        self.connection.close()
        raise psycopg.OperationalError(
            f"the server answered from search_path {reported!r}, not from the context's; "
            "the connection has been closed"
        )


class TenantCursor(_ContextMixin, Cursor):
    pass


class TenantServerSideCursor(_ContextMixin, ServerSideCursor):
    """A named cursor: DECLARE must be the only statement of its message.

    Its rows are fetched later; whoever fetches must be in the context that declared it.
    """

    _scope: context.Scope | None = None

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        connection = self.connection
        session, status = connection.session, connection.pgconn.transaction_status
        if session.is_per_transaction and status == _IDLE and connection.autocommit:
            raise psycopg.NotSupportedError(_NO_HOLDABLE_CURSOR)
        self._scope = context.require()
        session.note_traces()  # outside of a transaction it lasts until it is closed
        self._tell(session.pending(status))
        text, least = _as_text(query, self), query_log.threshold()
        body = text if params is None else self.mogrify(query, params)
        with nullcontext() if least is None else self._watch(text, least, params):
            ServerSideCursor.execute(self, session.comment() + body, None, **options)
        return self

    def fetchone(self) -> Any:
        _require_scope(self._scope)
        return super().fetchone()

    def fetchmany(self, size: int = 0) -> Any:
        _require_scope(self._scope)
        return super().fetchmany(size)

    def fetchall(self) -> Any:
        _require_scope(self._scope)
        return super().fetchall()

    def __next__(self) -> Any:
        _require_scope(self._scope)
        return super().__next__()


def _require_scope(scope: context.Scope | None) -> None:
    """Raises TenantMismatchError where rows are fetched in another context than they were asked for in."""
    if context.require() != scope:
        raise TenantMismatchError(
            "these rows were asked for in another context than the present one"
        )


def _counted(values: Iterable[Any], watch: query_log.Watch) -> Iterator[Any]:
    watch.times = 0
    for value in values:
        watch.times += 1
        yield value


def _as_text(query: Any, cursor: Any) -> str:
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode()
    return query.as_string(cursor) if isinstance(query, sql.Composable) else str(query)
