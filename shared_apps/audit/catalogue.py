"""What the catalogue says of audit triggers: of many schemas in one query, only what is not as it should be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared_apps.audit import capture

OTHER_POLICY = "does not say what the model declares"


@dataclass(frozen=True, slots=True)
class WrongTrigger:
    """Of a table of `schema`, of a partition of it or of a table that inherits from it."""

    schema: str
    root: str
    """The table as the model names it."""
    table_schema: str
    table: str
    event: str
    problem: str

    @property
    def qualified(self) -> str:
        return f"{self.table_schema}.{self.table}"


# Roots are looked up by name and schema, partitions by their parent, triggers by table and name: each
# is an index, so that a thousand schemas cost what their own tables do.
_TRIGGERS = """
    WITH RECURSIVE member AS (
        SELECT c.oid, n.oid AS nsp, n.nspname AS schema, w.name AS root, w.arguments
        FROM pg_namespace n
        CROSS JOIN unnest(%(tables)s::text[], %(arguments)s::bytea[]) AS w (name, arguments)
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p')
        WHERE n.nspname = ANY (%(schemas)s)
        UNION ALL
        SELECT i.inhrelid, m.nsp, m.schema, m.root, m.arguments
        FROM member m JOIN pg_inherits i ON i.inhparent = m.oid
    )
    SELECT m.schema::text, m.root, home.nspname::text, c.relname::text, e.event, f.problem
    FROM member m
    JOIN pg_class c ON c.oid = m.oid
    JOIN pg_namespace home ON home.oid = c.relnamespace
    CROSS JOIN (VALUES ('INSERT', 4, '', 'new_rows'), ('UPDATE', 16, 'old_rows', 'new_rows'),
                       ('DELETE', 8, 'old_rows', ''), ('TRUNCATE', 34, '', '')) AS e (event, type, old, new)
    LEFT JOIN pg_trigger t ON t.tgrelid = m.oid AND t.tgname = 'audit_' || lower(e.event)
    LEFT JOIN pg_proc p ON p.oid = t.tgfoid AND p.proname = 'audit_capture' AND p.pronamespace = m.nsp
    CROSS JOIN LATERAL (SELECT CASE
        WHEN t.oid IS NULL THEN 'is missing'
        WHEN t.tgenabled = 'D' THEN 'is disabled'
        WHEN t.tgenabled = 'R' THEN 'fires under session_replication_role = replica alone'
        WHEN t.tgenabled <> 'A' THEN 'does not fire under session_replication_role = replica'
        WHEN p.oid IS NULL THEN 'calls another function'
        WHEN t.tgtype <> e.type OR coalesce(t.tgoldtable, '') <> e.old OR coalesce(t.tgnewtable, '') <> e.new
            THEN 'is made for something else'
        WHEN t.tgqual IS NOT NULL THEN 'has a condition'
        WHEN t.tgattr <> '' THEN 'fires for some columns alone'
        WHEN t.tgargs <> m.arguments THEN '<other>'
        END AS problem) f
    WHERE f.problem IS NOT NULL
    ORDER BY 1, 2, 3, 4, e.type
""".replace("<other>", OTHER_POLICY)


def find_wrong_triggers(
    cursor: Any, *, schemas: Sequence[str], arguments: Mapping[str, tuple[str, ...]]
) -> list[WrongTrigger]:
    """Of the tables that are there: one that a schema does not have (yet) needs no trigger.

    `arguments`: table → what its triggers tell the capture function.
    """
    encoded = [b"".join(a.encode() + b"\0" for a in given) for given in arguments.values()]
    cursor.execute(
        _TRIGGERS,
        {"schemas": list(schemas), "tables": list(arguments), "arguments": encoded},
    )
    return [WrongTrigger(*row) for row in cursor.fetchall()]


# Whoever could write past the function's owner, or have its INSERT end elsewhere.
_OUTBOXES = """
    SELECT n.nspname::text, f.subject, f.problem
    FROM pg_namespace n
    LEFT JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = 'audit_capture'
    LEFT JOIN pg_class o ON o.relnamespace = n.oid AND o.relname = 'audit_outbox'
    CROSS JOIN LATERAL (
        SELECT 'audit_capture()' AS subject, CASE
            WHEN p.oid IS NULL THEN 'is missing'
            WHEN p.proowner <> o.relowner THEN 'belongs to another role than the outbox'
            WHEN (<right>) IS NOT TRUE THEN 'is not what this version installs' END AS problem
        UNION ALL
        SELECT 'audit_outbox', CASE
            WHEN o.oid IS NULL THEN 'is missing'
            WHEN o.relkind <> 'r' THEN 'is no table'
            WHEN o.relpersistence <> 'p' THEN 'is unlogged: a crash would empty it'
            WHEN o.relrowsecurity AND o.relforcerowsecurity THEN 'has row-level security for its owner'
            WHEN EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = o.oid) THEN 'has a rule'
            WHEN EXISTS (
                SELECT FROM pg_trigger t JOIN pg_proc a ON a.oid = t.tgfoid
                WHERE t.tgrelid = o.oid AND NOT t.tgisinternal
                  -- It refuses changes aloud, and drops none in silence (audit/admission.py).
                  AND (t.tgname, a.proname, a.pronamespace) <> ('audit_admission', 'audit_admit', n.oid))
                THEN 'has a trigger' END
    ) f
    WHERE n.nspname = ANY (%(schemas)s) AND f.problem IS NOT NULL
    ORDER BY 1, 2
""".replace("<right>", capture.IS_RIGHT)


def find_wrong_outboxes(
    cursor: Any, *, schemas: Sequence[str], is_on_node: bool
) -> Iterator[tuple[str, str, str]]:
    """(schema, object, problem) of capture functions and outboxes."""
    expected = capture.expectation(is_on_node=is_on_node)
    cursor.execute(_OUTBOXES, {**expected, "schemas": list(schemas)})
    yield from cursor.fetchall()


_KEYLESS = """
    SELECT n.nspname::text, c.relname::text FROM pg_namespace n
    CROSS JOIN unnest(%(tables)s::text[]) AS w (name)
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p')
    WHERE n.nspname = ANY (%(schemas)s)
      AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
    ORDER BY 1, 2
"""


def find_keyless(
    cursor: Any, *, schemas: Sequence[str], tables: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """(schema, table) without a primary key: its changes could not be told apart."""
    cursor.execute(_KEYLESS, {"schemas": list(schemas), "tables": list(tables)})
    yield from cursor.fetchall()
