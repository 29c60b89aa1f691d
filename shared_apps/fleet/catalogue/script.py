"""A schema written as one script that makes it again: as slim as it can be said.

Constraints and defaults stand in CREATE TABLE; keys, indexes and triggers that cannot follow. What this
does not know how to write is found by whoever compares the result (fleet/templates.py), so nothing is
ever silently left out.
"""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from psycopg import sql

from shared_apps.fleet.catalogue import rights
from shared_apps.fleet.catalogue.placeholders import ROLE as ROLE
from shared_apps.fleet.catalogue.placeholders import SCHEMA as SCHEMA

_WITHOUT_ROWS = ("audit_outbox", "django_migrations")


def write(cursor: Any, *, role: str, applied: list[tuple[str, str]]) -> str:
    """The script of the schema SCHEMA, whose tenant's role is `role`; the path of the cursor is its.

    `applied`: the migrations that the new schema is to know of.
    """
    granted = rights.read(cursor, role)
    parts = [
        "SET LOCAL check_function_bodies = off",
        *granted.by_default,
        *_types(cursor),
        *_sequences(cursor),
        *_functions(cursor),
        *_tables(cursor),
        *granted.no_longer,
        *_rows(cursor),
        _history(applied),
        *_ownership(cursor),
        *_indexes(cursor),
        *_keys(cursor),
        *_views(cursor),
        *_triggers(cursor),
        *_policies(cursor),
        *granted.afterwards,
        *_comments(cursor),
    ]
    return ";\n".join(parts)


def fill(script: str, *, schema: str, role: str) -> str:
    """The script for one tenant."""
    named = script.replace(SCHEMA, schema)
    return named.replace(ROLE, sql.Identifier(role).as_string(None))


def _types(cursor: Any) -> Iterator[str]:
    yield from _column(
        cursor,
        """
        SELECT format('CREATE TYPE %I AS ENUM (%s)', t.typname,
                      string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder))
        FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
        WHERE t.typnamespace = {schema} GROUP BY t.oid, t.typname ORDER BY t.oid
        """,
    )


_SEQUENCE_OPTIONS = """
    concat_ws(' ', CASE WHEN s.seqstart <> 1 THEN 'START ' || s.seqstart END,
              CASE WHEN s.seqincrement <> 1 THEN 'INCREMENT ' || s.seqincrement END,
              CASE WHEN s.seqmin <> 1 THEN 'MINVALUE ' || s.seqmin END,
              CASE WHEN s.seqmax <> CASE s.seqtypid WHEN 'int2'::regtype THEN 32767
                        WHEN 'int4'::regtype THEN 2147483647 ELSE 9223372036854775807 END
                   THEN 'MAXVALUE ' || s.seqmax END,
              CASE WHEN s.seqcache <> 1 THEN 'CACHE ' || s.seqcache END,
              CASE WHEN s.seqcycle THEN 'CYCLE' END)
"""


def _sequences(cursor: Any) -> Iterator[str]:
    """Those that are no column's identity."""
    yield from _column(
        cursor,
        """
        SELECT format('CREATE SEQUENCE %I AS %s %s', c.relname, format_type(s.seqtypid, NULL), {options})
        FROM pg_class c JOIN pg_sequence s ON s.seqrelid = c.oid
        WHERE c.relnamespace = {schema} AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i')
        ORDER BY c.oid
        """,
    )


def _ownership(cursor: Any) -> Iterator[str]:
    yield from _column(
        cursor,
        """
        SELECT format('ALTER SEQUENCE %I OWNED BY %I.%I', c.relname, t.relname, a.attname)
        FROM pg_class c
        JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a'
             AND d.refclassid = 'pg_class'::regclass
        JOIN pg_class t ON t.oid = d.refobjid
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
        WHERE c.relnamespace = {schema} AND c.relkind = 'S' ORDER BY c.oid
        """,
    )


def _functions(cursor: Any) -> Iterator[str]:
    yield from _column(
        cursor,
        """
        SELECT rtrim(pg_get_functiondef(oid), E'\\n') FROM pg_proc
        WHERE pronamespace = {schema} AND prokind IN ('f', 'p') ORDER BY oid
        """,
    )


def _tables(cursor: Any) -> Iterator[str]:
    """Each with its columns and all constraints, except those that need what is made later."""
    yield from _column(
        cursor,
        """
        WITH columns AS (
            SELECT a.attrelid, string_agg(concat_ws(' ', quote_ident(a.attname),
                format_type(a.atttypid, a.atttypmod),
                (SELECT 'COLLATE ' || quote_ident(l.collname) FROM pg_collation l
                 JOIN pg_type t ON t.oid = a.atttypid
                 WHERE l.oid = a.attcollation AND a.attcollation <> t.typcollation),
                CASE WHEN a.attgenerated = 's' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
                     WHEN a.attgenerated = 'v' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') VIRTUAL'
                     WHEN d.adbin IS NOT NULL THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END,
                CASE WHEN a.attidentity <> '' THEN format('GENERATED %s AS IDENTITY%s',
                     CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, (
                     SELECT coalesce(' (' || nullif(concat_ws(' ',
                            CASE WHEN q.relname <> left(c.relname || '_' || a.attname || '_seq', 63)
                                 THEN 'SEQUENCE NAME ' || quote_ident(q.relname) END, {options}), '') || ')', '')
                     FROM pg_depend w JOIN pg_class q ON q.oid = w.objid JOIN pg_sequence s ON s.seqrelid = q.oid
                     WHERE w.classid = 'pg_class'::regclass AND w.refobjid = c.oid AND w.refobjsubid = a.attnum
                       AND w.deptype = 'i')) END,
                CASE WHEN a.attnotnull THEN coalesce(
                     (SELECT 'CONSTRAINT ' || quote_ident(k.conname) FROM pg_constraint k
                      WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]
                        AND k.conname <> c.relname || '_' || a.attname || '_not_null') || ' ', '') || 'NOT NULL' END
            ), ', ' ORDER BY a.attnum) AS text
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
            WHERE c.relnamespace = {schema} AND c.relkind = 'r'
            GROUP BY a.attrelid
        ), inline AS (
            SELECT conrelid, string_agg(', CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid), ''
                                        ORDER BY contype = 'p' DESC, oid) AS text
            FROM pg_constraint k WHERE connamespace = {schema} AND convalidated
              AND (contype IN ('p', 'u', 'c', 'x') OR {key_in_table})
            GROUP BY conrelid
        )
        SELECT format('CREATE %sTABLE %I (%s%s)%s', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END,
                      c.relname, columns.text, inline.text,
                      coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', ''))
        FROM pg_class c LEFT JOIN columns ON columns.attrelid = c.oid LEFT JOIN inline ON inline.conrelid = c.oid
        WHERE c.relnamespace = {schema} AND c.relkind = 'r' ORDER BY c.oid
        """,
    )


# A foreign key that can stand in CREATE TABLE, which spares looking for rows that break it: of what it
# refers to, the table is made before and the unique index is a constraint of that table.
_KEY_IN_TABLE = """
    (k.contype = 'f' AND k.convalidated AND k.confrelid <= k.conrelid
     AND EXISTS (SELECT FROM pg_constraint u WHERE u.conindid = k.conindid AND u.contype IN ('p', 'u')))
"""


def _keys(cursor: Any) -> Iterator[str]:
    """The other foreign keys, those of a table in one statement; and what was never validated."""
    yield from _column(
        cursor,
        """
        SELECT format('ALTER TABLE %I %s', c.relname, string_agg(
                   format('ADD CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)), ', ' ORDER BY k.oid))
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        WHERE k.connamespace = {schema} AND (k.contype = 'f' AND NOT {key_in_table}
                                             OR k.contype IN ('c', 'x') AND NOT k.convalidated)
        GROUP BY c.oid, c.relname {apart} ORDER BY c.oid
        """.replace("{apart}", _apart("k.oid")),
    )


def _apart(item: str) -> str:
    """Citus takes one change of a table a statement; elsewhere those of a table share one."""
    return f", {item}" if settings.DATABASE_SHARDING == "citus" else ""


def _indexes(cursor: Any) -> Iterator[str]:
    yield from _column(
        cursor,
        """
        SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relnamespace = {schema} AND NOT EXISTS (
            SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
        ORDER BY i.indexrelid
        """,
    )


def _views(cursor: Any) -> Iterator[str]:
    yield from _column(
        cursor,
        """
        SELECT format('CREATE VIEW %I AS %s', relname, rtrim(pg_get_viewdef(oid), ';'))
        FROM pg_class WHERE relnamespace = {schema} AND relkind = 'v' ORDER BY oid
        """,
    )


def _triggers(cursor: Any) -> Iterator[str]:
    yield from _column(
        cursor,
        """
        SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = {schema} AND NOT t.tgisinternal ORDER BY c.oid, t.oid
        """,
    )
    yield from _column(
        cursor,
        """
        SELECT format('ALTER TABLE %I %s', c.relname, string_agg(format('%s TRIGGER %I',
                   CASE t.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA'
                                    ELSE 'DISABLE' END, t.tgname), ', ' ORDER BY t.oid))
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = {schema} AND NOT t.tgisinternal AND t.tgenabled <> 'O'
        GROUP BY c.oid, c.relname {apart} ORDER BY c.oid
        """.replace("{apart}", _apart("t.oid")),
    )


def _policies(cursor: Any) -> Iterator[str]:
    yield from _column(
        cursor,
        """
        SELECT format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', relname) FROM pg_class
        WHERE relnamespace = {schema} AND relkind = 'r' AND relrowsecurity ORDER BY oid
        """,
    )
    yield from _column(
        cursor,
        """
        SELECT format('CREATE POLICY %I ON %I AS %s FOR %s TO %s', policyname, tablename, permissive, cmd,
                      (SELECT string_agg(CASE r WHEN 'public' THEN 'PUBLIC' ELSE quote_ident(r) END, ', ')
                       FROM unnest(roles) r))
               || coalesce(' USING (' || qual || ')', '') || coalesce(' WITH CHECK (' || with_check || ')', '')
        FROM pg_policies WHERE schemaname = {name} ORDER BY tablename, policyname
        """,
    )


def _comments(cursor: Any) -> Iterator[str]:
    yield from _column(
        cursor,
        """
        SELECT CASE d.objsubid WHEN 0 THEN format('COMMENT ON TABLE %I IS %L', c.relname, d.description)
               ELSE format('COMMENT ON COLUMN %I.%I IS %L', c.relname, a.attname, d.description) END
        FROM pg_description d JOIN pg_class c ON d.classoid = 'pg_class'::regclass AND c.oid = d.objoid
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
        WHERE c.relnamespace = {schema} AND c.relkind = 'r' ORDER BY c.oid, d.objsubid
        """,
    )


def _rows(cursor: Any) -> Iterator[str]:
    """What migrations put into the tables, and where its sequences stand."""
    cursor.execute(
        _filled("""
        SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             AND a.attgenerated = ''
        WHERE c.relnamespace = {schema} AND c.relkind = 'r' GROUP BY c.oid, c.relname ORDER BY c.oid
        """)
    )
    has_rows = False
    for table, columns in cursor.fetchall():
        if table in _WITHOUT_ROWS:
            continue
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        values = sql.SQL(" || ', ' || ").join(
            sql.SQL("quote_nullable({}::text)").format(sql.Identifier(column)) for column in columns
        )
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(values, sql.Identifier(table)))
        rows = [f"({row[0]})" for row in cursor.fetchall()]
        if rows:
            has_rows = True
            target = sql.SQL("INSERT INTO {} ({})").format(sql.Identifier(table), names)
            yield f"{target.as_string(None)} OVERRIDING SYSTEM VALUE VALUES {', '.join(rows)}"
    if has_rows:
        # A table whose keys are still to be checked can be given no index.
        yield "SET CONSTRAINTS ALL IMMEDIATE"
        yield "SET CONSTRAINTS ALL DEFERRED"
    yield from _column(
        cursor,
        """
        SELECT format('SELECT setval(%L, %s)', quote_ident(sequencename), last_value) FROM pg_sequences
        WHERE schemaname = {name} AND last_value IS NOT NULL
          AND sequencename NOT IN ('audit_outbox_id_seq', 'django_migrations_id_seq')
        """,
    )


def _history(applied: list[tuple[str, str]]) -> str:
    rows = sql.SQL(", ").join(
        sql.SQL("({}, {}, now())").format(sql.Literal(app), sql.Literal(name))
        for app, name in applied
    )
    statement = sql.SQL("INSERT INTO django_migrations (app, name, applied) VALUES {}")
    return statement.format(rows).as_string(None)


def _column(cursor: Any, query: str) -> list[str]:
    cursor.execute(_filled(query))
    return [row[0] for row in cursor.fetchall()]


def _filled(query: str) -> str:
    return (
        query.replace("{options}", _SEQUENCE_OPTIONS)
        .replace("{key_in_table}", _KEY_IN_TABLE)
        .replace("{schema}", f"'{SCHEMA}'::regnamespace")
        .replace("{name}", f"'{SCHEMA}'")
    )
