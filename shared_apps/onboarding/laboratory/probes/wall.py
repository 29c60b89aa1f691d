"""The database itself: everything of the other tenant, asked for by its full name as this tenant."""

from typing import Any

from django.db import DatabaseError, ProgrammingError, connection, transaction
from psycopg import errors, sql

from shared_apps.core import context
from shared_apps.core.errors import TenantContextRequired
from shared_apps.onboarding.laboratory.report import Record
from shared_apps.onboarding.laboratory.subjects import Pair, Subject

_RELATIONS = """
    SELECT n.nspname, c.relname, c.relkind::text,
           (SELECT a.attname FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum = 1 AND NOT a.attisdropped)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    ORDER BY 1, 2
"""


def probe(pair: Pair, record: Record) -> None:
    _without_context(record)
    for asking, other in pair.directions():
        relations = _relations([other.identity.schema, "public"])
        for schema, name, kind, column in relations:
            if schema == other.identity.schema:
                _must_be_refused(asking, schema, name, kind, column, record)
            elif kind != "S":
                _must_not_show(asking, other, name, record)


def _without_context(record: Record) -> None:
    with context.nobody():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except TenantContextRequired:
            record.expect(True, "a statement without a context", "")
        else:
            record.expect(False, "a statement without a context", "was executed")


def _relations(schemas: list[str]) -> list[Any]:
    with context.operator(), connection.cursor() as cursor:
        cursor.execute(_RELATIONS, [schemas])
        return list(cursor.fetchall())


def _must_be_refused(
    asking: Subject, schema: str, name: str, kind: str, column: str, record: Record
) -> None:
    table = sql.Identifier(schema, name)
    statements = {"SELECT": sql.SQL("SELECT * FROM {} LIMIT 1").format(table)}
    if kind == "S":
        statements["nextval"] = sql.SQL("SELECT nextval({})").format(
            sql.Literal(table.as_string(None))
        )
    elif kind in ("r", "p"):
        statements["INSERT"] = sql.SQL("INSERT INTO {} DEFAULT VALUES").format(table)
        statements["DELETE"] = sql.SQL("DELETE FROM {}").format(table)
        statements["TRUNCATE"] = sql.SQL("TRUNCATE {}").format(table)
        statements["UPDATE"] = sql.SQL("UPDATE {} SET {} = {}").format(
            table, sql.Identifier(column), sql.Identifier(column)
        )
    for verb, statement in statements.items():
        outcome = _outcome(asking, statement)
        record.expect(outcome is None, f"{verb} {schema}.{name} as {asking.slug}", outcome or "")


def _outcome(asking: Subject, statement: sql.Composed) -> str | None:
    """None when the statement was refused for want of a right; otherwise what happened. Never kept."""
    outcome = "was allowed"
    try:
        with context.tenant(asking.identity), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(statement)
            transaction.set_rollback(True)
    except ProgrammingError as error:
        if isinstance(error.__cause__, errors.InsufficientPrivilege):
            return None
        outcome = f"was refused for another reason: {error}"
    except DatabaseError as error:
        # A violated constraint, for one: the right was there.
        outcome = f"was allowed as far as {type(error).__name__}"
    return outcome


def _must_not_show(asking: Subject, other: Subject, name: str, record: Record) -> None:
    subject = f"SELECT public.{name} as {asking.slug}"
    try:
        with context.tenant(asking.identity), connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier("public", name))
            )
            found = next((hit for (row,) in cursor if (hit := other.found_in(row or ""))), None)
    except DatabaseError:
        found = None
    record.expect(found is None, subject, f"showed {found} of {other.slug}")
