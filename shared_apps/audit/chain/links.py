"""Entries as links of their tenant's chain, hashed here and not by functions that the audit database brings.

Knows psycopg and nothing of Django: processes of `audit verify` import it bare.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

from shared_apps.core import databases
from shared_apps.core.databases import Database

# What is hashed after tenant and number, in this order: as the first script of the audit database has it.
_HASHED = (
    "uid::text",
    "((extract(epoch FROM created_at) * 1000000)::bigint)::text",
    "((extract(epoch FROM completed_at) * 1000000)::bigint)::text",
    "entity_type",
    "operation",
    "record_id",
    "old_values::text",
    "new_values::text",
    "diff::text",
    "modified_by",
    "attribution::text",
    "request_id",
    "database_role",
    "transaction_id",
)

# Each value is preceded by its length in bytes; '-' stands for NULL.
_CONTENT = (
    "convert_to(concat("
    + ", ".join(f"coalesce(octet_length({value}) || ':', '-'), {value}" for value in _HASHED)
    + "), 'UTF8')"
)

_READ = (
    "COPY (SELECT sequence, hash, "  # noqa: S608 (made of constants, and of literals in read())
    + _CONTENT
    + " FROM audit.entry"
    " WHERE tenant_id = {tenant} AND sequence >= {first} AND sequence <= {last}"
    " ORDER BY sequence) TO STDOUT (FORMAT BINARY)"
)


class Link(NamedTuple):
    """One stored entry: its number, its hash, and everything else of it as the bytes that were hashed.

    A tuple, because one is made of every entry that is verified.
    """

    sequence: int
    hash: bytes
    content: bytes


def root(tenant_id: UUID) -> bytes:
    """What the first entry of a chain is hashed with."""
    return hashlib.sha256(str(tenant_id).encode()).digest()


def tenant_part(tenant_id: UUID) -> bytes:
    """What the bytes of each of a tenant's entries begin with."""
    text = str(tenant_id).encode()
    return b"%d:%b" % (len(text), text)


def linked(previous: bytes, tenant: bytes, sequence: int, content: bytes) -> bytes:
    """The hash that an entry must have; `tenant` is `tenant_part`."""
    number = b"%d" % sequence
    return hashlib.sha256(
        b"%b%b%d:%b%b" % (previous, tenant, len(number), number, content)
    ).digest()


def connect(url: str) -> psycopg.Connection[Any]:
    """As a login that may read all entries; dates are written as when they were hashed."""
    options = {
        "TimeZone": "UTC",
        "default_transaction_read_only": "on",
        # Along the index, in order, as they are asked for: sorting would write every entry to disk first.
        "enable_sort": "off",
        "enable_bitmapscan": "off",
        "max_parallel_workers_per_gather": "0",
    }
    return databases.connect(
        url,
        Database.AUDIT,
        autocommit=True,
        application_name="freehold audit verify",
        options=" ".join(f"-c {name}={value}" for name, value in options.items()),
    )


def read(
    connection: psycopg.Connection[Any], tenant_id: UUID, *, first: int, last: int
) -> Iterator[Link]:
    """The stored entries of these numbers, in order."""
    statement = sql.SQL(_READ).format(
        tenant=sql.Literal(str(tenant_id)), first=sql.Literal(first), last=sql.Literal(last)
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["int8", "bytea", "bytea"])
        for sequence, stored, content in copy.rows():
            yield Link(sequence, stored, content)
