"""Runs `manage.py audit prune …` and kills itself with SIGKILL before a statement or a commit: a program of the tests.

Reads and answers lines as doomed.py does. Statements of every connection count, from the first of the removal on.
"""

import sys
from pathlib import Path
from typing import Any


def run(arguments: list[str], moments: Any) -> int:
    import psycopg
    from django.core.management import CommandError, call_command

    from shared_apps.audit.retention import pruning
    from shared_apps.core import attribution, context

    execute, commit = psycopg.Cursor.execute, psycopg.Connection.commit
    has_begun = False

    def counted_execute(cursor: Any, query: Any, *values: Any, **options: Any) -> Any:
        nonlocal has_begun
        has_begun = has_begun or query is pruning._TOLD
        if has_begun:
            moments.pass_one()
        return execute(cursor, query, *values, **options)

    def counted_commit(connection: Any) -> None:
        if has_begun:
            moments.pass_one()
        commit(connection)

    psycopg.Cursor.execute = counted_execute
    psycopg.Connection.commit = counted_commit
    try:
        with context.operator(), attribution.acting(attribution.command("audit")):
            call_command("audit", "prune", *arguments, stderr=sys.stderr)
    except CommandError as error:
        print(error, file=sys.stderr)
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from tests.chaos.doomed import serve

    serve(run)
