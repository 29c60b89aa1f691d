"""One piece of work in one transaction, done again where PostgreSQL broke it off for another's sake."""

import logging
import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import DatabaseError, transaction
from psycopg import errors as postgres

logger = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS: Final = 4
_FIRST_PAUSE: Final = 0.02  # seconds
_COLLISIONS = (postgres.SerializationFailure, postgres.DeadlockDetected)


def run(work: Callable[[], T]) -> T:
    """`work` in a transaction of its own; all of it again after a serialization failure or a deadlock.

    So it must have no effect but on the database and by `on_commit`. What is raised after the commit is
    raised, and nothing is done again.

    Raises:
        RuntimeError: there is a transaction already, of which this could only repeat a part.
        OperationalError: it has collided with others `ATTEMPTS` times.
    """
    for attempt in range(1, ATTEMPTS):
        committed: list[bool] = []
        try:
            return _run_once(work, committed)
        except DatabaseError as error:
            if committed or not is_collision(error):
                raise
            logger.warning(
                "Attempt %s collided with another transaction: %s",
                attempt,
                type(error.__cause__).__name__,
            )
        # At random, else those who collided do so again.
        time.sleep(random.uniform(0, _FIRST_PAUSE * 2**attempt))  # noqa: S311  # no secret
    return _run_once(work, [])


def _run_once(work: Callable[[], T], committed: list[bool]) -> T:
    with transaction.atomic(durable=True):
        transaction.on_commit(lambda: committed.append(True))
        return work()


def is_collision(error: BaseException) -> bool:
    """Whether nothing is wrong with the transaction but the moment."""
    return isinstance(error, DatabaseError) and isinstance(error.__cause__, _COLLISIONS)
