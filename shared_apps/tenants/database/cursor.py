"""psycopg cursors that send the context ahead of a statement."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Self

import psycopg
from django.db.backends.postgresql.base import Cursor, ServerSideCursor
from psycopg import sql

from shared_apps.tenants.database.session import ConnectionSession

# After these the relay is told to look; a write that hides elsewhere is found by its sweep.
_WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "TRUNCATE", "COPY")
# Statements that may share a message with others. Several statements in one message run in an
# implicit transaction, which a few others (CREATE INDEX CONCURRENTLY, VACUUM) refuse.
_JOINABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "SAVEPOINT", "RELEASE", "(", "LOCK")


class _ContextMixin:
    """Brings the session up to the context, in the statement's own message where that is possible."""

    session: ConnectionSession

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        text = query if isinstance(query, str) else _as_text(query, self)
        verb = text[:12].lstrip().upper()
        self._execute_in_context(text, verb, params, options)
        if verb.startswith(_WRITES):
            self.session.note_write(autocommit=self.connection.autocommit)  # type: ignore[attr-defined]
        return self

    def _execute_in_context(
        self, text: str, verb: str, params: Any, options: dict[str, Any]
    ) -> None:
        pending = self.session.pending()
        if not pending or not verb.startswith(_JOINABLE):
            self._apply(pending)
            super().execute(text, params, **options)  # type: ignore[misc]  # mixin
            return
        head = "; ".join(pending)
        # psycopg remembers how a text splits around its parameters. With a head, which names the
        # request, no text would come twice and each would push a useful one out of its memory.
        statement = text if params is None else self.mogrify(text, params)  # type: ignore[attr-defined]
        try:
            super().execute(f"{head}; {statement}", **options)  # type: ignore[misc]  # mixin
        except BaseException:
            self.session.forget()
            raise
        self.session.confirm()
        self.set_result(len(pending))  # type: ignore[attr-defined]  # those of the SETs come first

    def executemany(self, query: Any, params_seq: Iterable[Any], **options: Any) -> None:
        self._apply(self.session.pending())
        super().executemany(query, params_seq, **options)  # type: ignore[misc]  # mixin
        self.session.note_write(autocommit=self.connection.autocommit)  # type: ignore[attr-defined]

    def copy(
        self, statement: Any, *args: Any, **options: Any
    ) -> AbstractContextManager[psycopg.Copy]:
        self._apply(self.session.pending())
        return super().copy(statement, *args, **options)  # type: ignore[misc, no-any-return]  # mixin

    def stream(self, query: Any, *args: Any, **options: Any) -> Any:
        self._apply(self.session.pending())
        return super().stream(query, *args, **options)  # type: ignore[misc]  # mixin

    def _apply(self, pending: list[str]) -> None:
        if not pending:
            return
        connection: psycopg.Connection[Any] = self.connection  # type: ignore[attr-defined]
        try:
            with connection.cursor() as cursor:
                cursor.execute("; ".join(pending))
        except BaseException:
            self.session.forget()
            raise
        self.session.confirm()


class TenantCursor(_ContextMixin, Cursor):
    pass


class TenantServerSideCursor(_ContextMixin, ServerSideCursor):
    """A named cursor: DECLARE must be the only statement of its message."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        self._apply(self.session.pending())
        ServerSideCursor.execute(self, query, params, **options)
        return self


def _as_text(query: Any, cursor: Any) -> str:
    if isinstance(query, bytes):
        return query.decode()
    return query.as_string(cursor) if isinstance(query, sql.Composable) else str(query)
