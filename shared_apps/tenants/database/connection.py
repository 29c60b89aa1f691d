"""A psycopg connection that knows what its server-side session was told."""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus

from shared_apps.tenants.database.session import RESET, ConnectionSession


class TenantConnection(psycopg.Connection[Any]):
    """Every way to end a transaction on it keeps `session` true.

    Its cursors (cursor.py) put each statement into the context, also for code that takes the
    connection out of Django or out of the pool.
    """

    session: ConnectionSession

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

    def bare_cursor(self) -> psycopg.Cursor[Any]:
        """One that sends what it is given and nothing else."""
        return psycopg.ClientCursor(self)

    def reset_context(self) -> None:
        """Leave nothing of a tenant for whoever takes the connection next."""
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            self.rollback()
        if self.session.is_clean:
            return
        # Not by a cursor, which would begin a transaction when autocommit is off.
        result = self.pgconn.exec_(RESET)
        if result.status != ExecStatus.COMMAND_OK:
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
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN | select.POLLERR | select.POLLHUP)
        if not poll.poll(0):
            return False
        try:
            self.pgconn.consume_input()
        except psycopg.OperationalError:
            return True
        return bool(self.closed)
