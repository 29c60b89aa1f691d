"""Every object of many schemas as rows that are equal when the schemas are alike.

Names of the schema and of its role are taken out of each definition, so that one tenant's can be
compared with another's. All in one query over all schemas.
"""

from typing import Any

# (schema, kind, object, definition). Column numbers are counted among living columns: a schema that was
# migrated has gaps where one that was made anew has none.
OBJECTS = """
    WITH named AS MATERIALIZED (
        SELECT n.oid, n.nspname, given.role,
               coalesce((SELECT oid FROM pg_roles WHERE rolname = given.role), 0) AS role_oid
        FROM unnest(%(schemas)s::text[], %(roles)s::text[]) AS given (schema, role)
        JOIN pg_namespace n ON n.nspname = given.schema
    ), relations AS MATERIALIZED (
        SELECT named.nspname, named.role_oid, c.* FROM named
        JOIN pg_class c ON c.relnamespace = named.oid
    ), rights AS (
        SELECT nspname, role_oid, relname AS object, relacl AS acl, relowner AS owner,
               CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS class
        FROM relations WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
        UNION ALL
        SELECT named.nspname, role_oid, p.oid::regprocedure::text, p.proacl, p.proowner, 'f'
        FROM named JOIN pg_proc p ON p.pronamespace = named.oid
        UNION ALL
        SELECT r.nspname, r.role_oid, r.relname || '.' || a.attname, a.attacl, r.relowner, 'c'
        FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attacl IS NOT NULL
        UNION ALL
        SELECT named.nspname, role_oid, '', s.nspacl, s.nspowner, 'n'
        FROM named JOIN pg_namespace s ON s.oid = named.oid
    ), described (schema, kind, object, definition) AS (
        SELECT nspname, 'table', relname::text, concat_ws(' ', relkind, relpersistence, reloptions::text,
               CASE WHEN relrowsecurity THEN 'secured' END, obj_description(oid, 'pg_class'))
        FROM relations WHERE relkind NOT IN ('i', 'S', 't', 'I')
        UNION ALL
        SELECT r.nspname, 'view', r.relname::text, pg_get_viewdef(r.oid)
        FROM relations r WHERE relkind IN ('v', 'm')
        UNION ALL
        SELECT r.nspname, 'column', r.relname || '.' || a.attname, concat_ws(' ',
               row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum),
               format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NOT NULL' END,
               pg_get_expr(d.adbin, d.adrelid), nullif(a.attidentity, ''), nullif(a.attgenerated, ''),
               (SELECT collname FROM pg_collation c JOIN pg_type t ON t.oid = a.atttypid
                WHERE c.oid = a.attcollation AND a.attcollation <> t.typcollation),
               col_description(r.oid, a.attnum))
        FROM relations r
        JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
        WHERE r.relkind IN ('r', 'p', 'v', 'm', 'c')
        UNION ALL
        SELECT r.nspname, 'constraint', r.relname || '.' || k.conname, pg_get_constraintdef(k.oid)
        FROM relations r JOIN pg_constraint k ON k.conrelid = r.oid
        UNION ALL
        SELECT r.nspname, 'index', r.relname::text, pg_get_indexdef(r.oid) ||
               CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
        FROM relations r JOIN pg_index i ON i.indexrelid = r.oid
        UNION ALL
        SELECT r.nspname, 'sequence', r.relname::text, concat_ws(' ', format_type(s.seqtypid, NULL),
               s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
               (SELECT pg_describe_object(refclassid, refobjid, refobjsubid) FROM pg_depend
                WHERE classid = 'pg_class'::regclass AND objid = r.oid AND deptype IN ('a', 'i')))
        FROM relations r JOIN pg_sequence s ON s.seqrelid = r.oid
        UNION ALL
        -- One is on or off as the tenant's limits say (audit/admission.py).
        SELECT r.nspname, 'trigger', r.relname || '.' || t.tgname,
               CASE WHEN t.tgname = 'audit_admission' THEN '' ELSE t.tgenabled::text END
               || ' ' || pg_get_triggerdef(t.oid)
        FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
        UNION ALL
        SELECT r.nspname, 'policy', r.relname || '.' || p.polname, concat_ws(' ', p.polcmd, p.polpermissive,
               (SELECT string_agg(CASE WHEN o = r.role_oid THEN '{role}' ELSE o::regrole::text END, ',')
                FROM unnest(p.polroles) o),
               pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
        FROM relations r JOIN pg_policy p ON p.polrelid = r.oid
        UNION ALL
        SELECT r.nspname, 'rule', r.relname || '.' || w.rulename, pg_get_ruledef(w.oid)
        FROM relations r JOIN pg_rewrite w ON w.ev_class = r.oid AND r.relkind NOT IN ('v', 'm')
        UNION ALL
        SELECT named.nspname, 'function', p.oid::regprocedure::text,
               CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) ELSE p.prokind::text END
        FROM named JOIN pg_proc p ON p.pronamespace = named.oid
        UNION ALL
        SELECT named.nspname, 'type', t.typname::text, t.typtype::text || coalesce(
               (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e
                WHERE e.enumtypid = t.oid), '')
        FROM named JOIN pg_type t ON t.typnamespace = named.oid
        WHERE t.typtype NOT IN ('b', 'c')
        UNION ALL
        SELECT named.nspname, 'statistics', s.stxname::text, pg_get_statisticsobjdef(s.oid)
        FROM named JOIN pg_statistic_ext s ON s.stxnamespace = named.oid
        UNION ALL
        SELECT nspname, 'right', CASE class WHEN 'n' THEN 'schema' ELSE object END || ' ' || grantee, rights
        FROM (
            SELECT nspname, class, object, CASE WHEN a.grantee = role_oid AND role_oid <> 0 THEN '{role}'
                   WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee,
                   string_agg(a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END, ', '
                              ORDER BY a.privilege_type) AS rights
            FROM rights CROSS JOIN aclexplode(
                coalesce(acl, CASE WHEN class = 'c' THEN '{}' ELSE acldefault(class, owner) END)) a
            WHERE a.grantee <> owner
            GROUP BY 1, 2, 3, 4
        ) granted
    ), objects (schema, kind, object, definition) AS (
        SELECT schema, kind, replace(object, schema || '.', ''), replace(replace(
               regexp_replace(regexp_replace(coalesce(definition, ''), <element>, '\\1', 'g'), <list>, '\\1', 'g'),
               schema || '.', ''), schema, '{schema}')
        FROM described
    )
"""
# PostgreSQL prints `status IN ('A', 'B')` in a way that, read again, it prints in another; both are
# brought to a third.
_LITERAL = "''(?:[^'']|'''')*''::character varying"
OBJECTS = OBJECTS.replace("<element>", rf"'\(({_LITERAL})\)::text'").replace(
    "<list>", rf"'\((ARRAY\[(?:{_LITERAL}(?:, )?)+\])\)::text\[\]'"
)

Item = tuple[str, str, str]
"""Kind, name and definition of an object."""


def load(cursor: Any, schema: str, role: str) -> set[Item]:
    """Every object of one schema."""
    cursor.execute(
        OBJECTS + "SELECT kind, object, definition FROM objects",  # noqa: S608  # two constants
        {"schemas": [schema], "roles": [role]},
    )
    return set(cursor.fetchall())


def digests(cursor: Any, schemas: list[str], roles: list[str]) -> dict[str, str]:
    """Schema → a hash of all its objects. Schemas that do not exist are left out."""
    cursor.execute(
        OBJECTS  # noqa: S608  # constants
        + "SELECT schema, md5(string_agg(kind || chr(1) || object || chr(1) || definition, chr(2)"
        ' ORDER BY kind COLLATE "C", object COLLATE "C", definition COLLATE "C"))'
        " FROM objects GROUP BY schema",
        {"schemas": schemas, "roles": roles},
    )
    return dict(cursor.fetchall())
