"""A psycopg connection that knows what its server-side session was told."""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import PQGen
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult

from shared_apps.core import renewal
from shared_apps.tenants.database import query_log
from shared_apps.tenants.database.session import ConnectionSession

# The time zone is set by a SELECT.
_DONE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.EMPTY_QUERY)


class TenantConnection(renewal.Connection[Any]):
    """Every way to end a transaction on it keeps `session` true.

    Its cursors (cursor.py) put each statement into the context, also for code that takes the
    connection out of Django or out of the pool.
    """

    session: ConnectionSession
    _poll: "select.poll | None" = None
    """Of its socket, which it keeps as long as it lives."""

    def commit(self) -> None:
        try:
            super().commit()
        except BaseException:
            self.session.forget()
            raise
        self.session.settle()

    def rollback(self) -> None:
        try:
            super().rollback()
        finally:
            self.session.forget()

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[psycopg.Transaction]:
        """As psycopg's own; what was told inside may be taken back at its end."""
        self.session.forget()
        try:
            with super().transaction(savepoint_name, force_rollback) as transaction:
                yield transaction
        finally:
            self.session.forget()

    def _exec_command(
        self, command: Any, result_format: Format = Format.TEXT
    ) -> PQGen[PGresult | None]:
        """psycopg's own commands, each a message: BEGIN, COMMIT, savepoints, FETCH and CLOSE of cursors."""
        session = getattr(self, "session", None)
        if session is None:
            return (yield from super()._exec_command(command, result_format))
        text = command if isinstance(command, bytes) else _as_bytes(command, self)
        commented = session.comment_of_command().encode() + text
        least = query_log.threshold()
        if least is None:
            return (yield from super()._exec_command(commented, result_format))
        with query_log.Watch(text.decode(), alias=session.alias, least=least):
            return (yield from super()._exec_command(commented, result_format))

    def bare_cursor(self) -> psycopg.Cursor[Any]:
        """One that sends what it is given and nothing else."""
        return psycopg.ClientCursor(self)

    def reset_context(self) -> None:
        """Leave nothing of a tenant for whoever takes the connection next.

        Mostly nothing has to be done: role, path, limits and attribution are told to the next one's
        first statement, in its own message, and without a context no cursor of ours sends any. What
        statements may have left beside them (statement.py) is thrown away by the server.
        """
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            self.rollback()
        if not self.session.has_leftovers:
            return
        # Not by a cursor, which would begin a transaction when autocommit is off; one by one, because
        # DISCARD ALL runs in no transaction, not even in that of a message.
        for statement in (b"RESET ROLE", b"DISCARD ALL", self.session.set_up):
            result = self.pgconn.exec_(statement)
            if result.status not in _DONE:
                raise psycopg.OperationalError("the connection could not be reset")
        self.session.has_been_reset()

    def has_ended(self) -> bool:
        """Whether the server has closed it, by a look at the socket instead of a round trip.

        A closed or reset connection is readable without a question having been asked; what the look
        misses (a silent peer) is caught by the statement itself, as it would be a millisecond after
        any check.
        """
        if self.closed:
            return True
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.pgconn.socket, select.POLLIN | select.POLLERR | select.POLLHUP)
        if not self._poll.poll(0):
            return False
        try:
            self.pgconn.consume_input()
        except psycopg.OperationalError:
            return True
        return bool(self.closed)


def _as_bytes(command: Any, connection: TenantConnection) -> bytes:
    if isinstance(command, sql.Composable):
        return command.as_bytes(connection)
    return str(command).encode()
