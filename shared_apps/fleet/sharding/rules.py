"""What a tenant's schema must be so that Citus can keep it whole on one node and move it.

Read from the catalogue, so the same on plain PostgreSQL: an app that would not survive sharding is found
while the tests run. docs/scaling-citus.md says of each rule what was tried.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_NEVER_CALLED = ("audit_admit",)
"""Functions of triggers that are switched off wherever nodes are: `limits.audit_backlog_…` are refused there."""


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    schema: str
    subject: str
    problem: str

    def __str__(self) -> str:
        return f"{self.schema}: {self.subject} {self.problem}"


def find_violations(
    cursor: Any, schemas: Sequence[str], *, everywhere: Sequence[str] = ()
) -> list[Violation]:
    """What breaks the rules in these schemas, sorted. A few queries over all of them.

    `everywhere` names tables of the shared schema that every node has: Citus' reference tables.
    """
    parameters = {
        "schemas": list(schemas),
        "everywhere": list(everywhere),
        "never_called": list(_NEVER_CALLED),
    }
    found: set[Violation] = set()
    for query in (_KINDS, _KEYS, _REFERENCES, _TRIGGERS):
        cursor.execute(query, parameters)
        found.update(Violation(*row) for row in cursor.fetchall())
    cursor.execute(_FUNCTIONS, parameters)
    for schema, name, is_trigger, has_path, elsewhere in cursor.fetchall():
        found.update(_of_function(schema, name, is_trigger, has_path, elsewhere))
    return sorted(found)


def _of_function(
    schema: str, name: str, is_trigger: bool, path: str | None, elsewhere: list[str] | None
) -> Iterator[Violation]:
    subject = f"function {name}"
    for other in elsewhere or []:
        yield Violation(schema, subject, f"names the schema {other}, which is not on every node")
    if path is None:
        # A view's or an index' function is planned where it is called; a trigger's is called on the node.
        if is_trigger:
            yield Violation(schema, subject, "takes names from its caller's search_path")
        return
    for part in (part.strip(' "') for part in path.split(",")):
        if part not in ("", schema, "pg_catalog", "pg_temp"):
            yield Violation(schema, subject, f"has {part} on its search_path")


_RELATIONS = """
    relations AS MATERIALIZED (
        SELECT n.nspname::text AS schema, n.oid AS nsp, c.* FROM pg_namespace n
        JOIN pg_class c ON c.relnamespace = n.oid WHERE n.nspname = ANY (%(schemas)s)
    )
"""

_KINDS = """
    WITH <relations>
    SELECT schema, 'foreign table ' || relname, 'cannot be in a distributed schema'
    FROM relations WHERE relkind = 'f'
    UNION ALL
    SELECT schema, 'materialized view ' || relname, 'would stay on the coordinator'
    FROM relations WHERE relkind = 'm'
    UNION ALL
    SELECT schema, 'table ' || relname, 'is of a type: CREATE TABLE OF is refused'
    FROM relations WHERE reloftype <> 0
    UNION ALL
    SELECT schema, 'table ' || relname, 'is unlogged: a move by replication would leave its rows behind'
    FROM relations WHERE relkind IN ('r', 'p') AND relpersistence = 'u'
    UNION ALL
    SELECT schema, 'table ' || relname, 'inherits or is inherited from'
    FROM relations WHERE NOT relispartition AND relkind = 'r' AND EXISTS (
        SELECT FROM pg_inherits i WHERE relations.oid IN (i.inhrelid, i.inhparent))
    UNION ALL
    SELECT schema, 'table ' || relname, 'has no primary key: it could not be moved while it is written'
    FROM relations WHERE relkind IN ('r', 'p') AND NOT EXISTS (
        SELECT FROM pg_constraint k WHERE k.conrelid = relations.oid AND k.contype = 'p')
    UNION ALL
    SELECT r.schema, 'policy ' || p.polname || ' on ' || r.relname, 'has a subquery: Citus cannot hand it on'
    FROM relations r JOIN pg_policy p ON p.polrelid = r.oid
    WHERE concat(p.polqual::text, p.polwithcheck::text) LIKE '%%{SUBLINK%%'
    UNION ALL
    SELECT r.schema, 'rule ' || w.rulename || ' on ' || r.relname, 'is not handed on to the node'
    FROM relations r JOIN pg_rewrite w ON w.ev_class = r.oid WHERE r.relkind NOT IN ('v', 'm')
""".replace("<relations>", _RELATIONS)

_KEYS = """
    SELECT own.nspname::text, 'key ' || k.conname || ' of ' || c.relname,
           format('leads to %%s.%%s, in another schema', far.nspname, f.relname)
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace own ON own.oid = c.relnamespace
    JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace far ON far.oid = f.relnamespace
    WHERE k.contype = 'f' AND own.oid <> far.oid AND own.nspname = ANY (%(schemas)s)
      AND NOT (far.nspname = 'public' AND f.relname = ANY (%(everywhere)s))
    UNION ALL
    SELECT far.nspname::text, 'table ' || f.relname,
           format('is the target of a key of %%s.%%s, in another schema', own.nspname, c.relname)
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace own ON own.oid = c.relnamespace
    JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace far ON far.oid = f.relnamespace
    WHERE k.contype = 'f' AND own.oid <> far.oid AND far.nspname = ANY (%(schemas)s)
"""

# Whatever PostgreSQL itself says an object needs: types and defaults of columns, views, indexes,
# conditions, functions of triggers, sequences. Foreign keys are told above.
_REFERENCES = """
    WITH <relations>, inside AS MATERIALIZED (
        SELECT schema, nsp, 'pg_class'::regclass AS class, oid AS object FROM relations
        UNION ALL SELECT r.schema, r.nsp, 'pg_attrdef'::regclass, d.oid
        FROM relations r JOIN pg_attrdef d ON d.adrelid = r.oid
        UNION ALL SELECT r.schema, r.nsp, 'pg_constraint'::regclass, k.oid
        FROM relations r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype <> 'f'
        UNION ALL SELECT r.schema, r.nsp, 'pg_rewrite'::regclass, w.oid
        FROM relations r JOIN pg_rewrite w ON w.ev_class = r.oid
        UNION ALL SELECT r.schema, r.nsp, 'pg_trigger'::regclass, t.oid
        FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
        UNION ALL SELECT r.schema, r.nsp, 'pg_policy'::regclass, p.oid
        FROM relations r JOIN pg_policy p ON p.polrelid = r.oid
        UNION ALL SELECT n.nspname::text, n.oid, 'pg_proc'::regclass, f.oid
        FROM pg_namespace n JOIN pg_proc f ON f.pronamespace = n.oid WHERE n.nspname = ANY (%(schemas)s)
        UNION ALL SELECT n.nspname::text, n.oid, 'pg_type'::regclass, t.oid
        FROM pg_namespace n JOIN pg_type t ON t.typnamespace = n.oid WHERE n.nspname = ANY (%(schemas)s)
    )
    SELECT DISTINCT i.schema, pg_describe_object(i.class, i.object, 0),
           'needs ' || pg_describe_object(d.refclassid, d.refobjid, 0) || ' of another schema'
    FROM inside i
    JOIN pg_depend d ON d.classid = i.class AND d.objid = i.object AND d.deptype IN ('n', 'a', 'i')
    LEFT JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
    LEFT JOIN pg_proc f ON d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
    LEFT JOIN pg_type t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
    LEFT JOIN pg_collation l ON d.refclassid = 'pg_collation'::regclass AND l.oid = d.refobjid
    JOIN pg_namespace far ON far.oid = coalesce(c.relnamespace, f.pronamespace, t.typnamespace, l.collnamespace)
    WHERE far.oid <> i.nsp AND far.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
      AND NOT (far.nspname = 'public' AND coalesce(c.relname, '') = ANY (%(everywhere)s))
      -- An extension is installed on every node.
      AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.refclassid AND e.objid = d.refobjid
                      AND e.deptype = 'e')
""".replace("<relations>", _RELATIONS)

# A sequence of another schema in a default is named by text, so PostgreSQL may not know of it; and a row
# trigger that is always enabled also fires for rows that a move brings.
_TRIGGERS = """
    WITH <relations>
    SELECT r.schema, 'trigger ' || t.tgname || ' on ' || r.relname,
           'is always enabled for each row: it would fire again for rows that a move brings'
    FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
    WHERE t.tgenabled IN ('A', 'R') AND t.tgtype & 1 = 1
""".replace("<relations>", _RELATIONS)

# Bodies are text. What stands before a point and is the name of a schema is taken for one.
_FUNCTIONS = """
    SELECT n.nspname::text, f.proname::text, f.prorettype = 'trigger'::regtype,
           (SELECT substr(setting, 13) FROM unnest(f.proconfig) setting
            WHERE starts_with(setting, 'search_path=')),
           (SELECT array_agg(DISTINCT s.nspname::text) FROM regexp_matches(
                f.prosrc, '"?([[:alpha:]_][[:alnum:]_$]*)"?[[:space:]]*[.]', 'g') found
            JOIN pg_namespace s ON s.nspname = lower(found[1])
            WHERE s.oid <> n.oid AND s.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_temp'))
    FROM pg_namespace n JOIN pg_proc f ON f.pronamespace = n.oid
    WHERE n.nspname = ANY (%(schemas)s) AND f.proname <> ALL (%(never_called)s)
"""
