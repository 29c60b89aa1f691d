"""The product's side, in a process of its own. Imports of the product wait for its set-up."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import psycopg

from tests.benchmarks.tenants.ours import Ours

_VERIFIED = 0  # number of the tenant whose trail is verified; those of the others grow meanwhile
_FILL = """
INSERT INTO {schema}.ours_audited (name, code, amount, quantity, status, note, created_at)
SELECT 'row ' || n, md5(n::text), n + 0.25, n, 0, 'so long that it is worth a note', now()
FROM generate_series(1, %s) n
"""


class Moving:
    """A target of `workers.worker`; each piece of work gives rows a second."""

    def __init__(self) -> None:
        self._product = Ours()

    def install(self, *, tenants: int, entries: int) -> None:
        self._product.install(tenants=tenants + 1)
        self._fill(_VERIFIED, entries)
        self._move()
        columns = "id bigint, uid uuid, created_at timestamptz, table_name text, operation text, record_id text, new_values json, attribution text"
        with _connection("AUDIT_MIGRATION_DATABASE_URL") as owner:
            owner.execute(f"CREATE SCHEMA bare CREATE TABLE entry ({columns})")

    def relay(self, *, tenants: int, rows: int) -> float:
        self._fill_all(tenants, rows)
        started = time.perf_counter()
        self._move()
        taken = time.perf_counter() - started
        with _connection("RELAY_DATABASE_URL") as source:
            for number in range(1, tenants + 1):
                if source.execute(f"SELECT FROM {_outbox(number)} LIMIT 1").fetchone():
                    raise RuntimeError("the relay left rows behind")
        return tenants * rows / taken

    def copy_barely(self, *, tenants: int, rows: int) -> float:
        self._fill_all(tenants, rows)
        with (
            _connection("RELAY_DATABASE_URL") as source,
            _connection("AUDIT_MIGRATION_DATABASE_URL") as target,
        ):
            started = time.perf_counter()
            for number in range(1, tenants + 1):
                taking = (
                    f"COPY (DELETE FROM {_outbox(number)} RETURNING id, uid, created_at, table_name,"
                    " operation, record_id, new_values, attribution) TO STDOUT"
                )
                with (
                    source.cursor().copy(taking) as taken,
                    target.cursor().copy("COPY bare.entry FROM STDIN") as given,
                ):
                    for data in taken:
                        given.write(data)
            return tenants * rows / (time.perf_counter() - started)

    def verify(self) -> float:
        from django.core.management import call_command

        output = StringIO()
        started = time.perf_counter()
        call_command("audit", "verify", tenant=[_slug(_VERIFIED)], json=True, stdout=output)
        taken = time.perf_counter() - started
        (chain,) = json.loads(output.getvalue())["chains"]
        return int(chain["entries"]) / taken

    def read_barely(self) -> float:
        with _connection("AUDIT_AUDITOR_DATABASE_URL") as auditor:
            started = time.perf_counter()
            digest, cursor = hashlib.sha256(), auditor.cursor()
            reading = (
                "COPY (SELECT * FROM audit.entry WHERE tenant_id = (SELECT tenant_id FROM"
                " audit.chain ORDER BY sequence DESC LIMIT 1) ORDER BY sequence) TO STDOUT"
            )
            with cursor.copy(reading) as rows:
                for data in rows:
                    digest.update(data)
            return float(cursor.rowcount) / (time.perf_counter() - started)

    def _fill_all(self, tenants: int, rows: int) -> None:
        self._move()  # what other work has left behind
        for number in range(1, tenants + 1):
            self._fill(number, rows)

    def _fill(self, number: int, rows: int) -> None:
        """As a person's request would, but that it is one statement."""
        who = json.dumps({"user_id": "0199c6b0-0000-7000-8000-000000000001", "request_id": "r"})
        with _connection("MIGRATION_DATABASE_URL") as owner:
            owner.execute("SELECT set_config('freehold.attribution', %s, false)", [who])
            owner.execute(_FILL.format(schema=_schema(number)), [rows])

    def _move(self) -> None:
        from django.core.management import call_command

        call_command("audit", "relay", once=True, stdout=StringIO())


def _slug(number: int) -> str:
    return f"bench-{number:04}"


def _schema(number: int) -> str:
    return f"t_bench_{number:04}"


def _outbox(number: int) -> str:
    return f"{_schema(number)}.audit_outbox"


@contextmanager
def _connection(variable: str) -> Iterator[Any]:
    """As the login that an environment variable names."""
    with psycopg.connect(os.environ[variable], autocommit=True) as connection:
        yield connection
