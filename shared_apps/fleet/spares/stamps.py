"""A hash of a spare's rows in the catalogue, which any change by hand makes another one.

Of the rows' versions, not of what they say: comparing definitions (catalogue/objects.py) reads the
catalogue of all tenants. This is read over indexes, so its cost does not grow with their number. A catalogue that was
restored or rewritten gives other stamps, and its spares are replaced.
"""

from typing import Any

# Everything is reached from what depends on the schema: pg_class has no index on the schema alone.
_STAMP = """
    WITH space AS MATERIALIZED (
        SELECT n.oid, n.xmin FROM pg_namespace n WHERE n.nspname = %(schema)s
    ), role AS MATERIALIZED (
        SELECT r.oid, r::text AS described FROM pg_roles r WHERE r.rolname = %(role)s
    ), inside AS MATERIALIZED (
        SELECT d.classid, d.objid FROM pg_depend d
        WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = (SELECT oid FROM space)
    ), outer_relations AS MATERIALIZED (
        SELECT array_agg(objid) AS oids FROM inside WHERE classid = 'pg_class'::regclass
    ), indexes AS MATERIALIZED (
        SELECT i.indexrelid AS oid, i.xmin FROM pg_index i
        WHERE i.indrelid = ANY((SELECT oids FROM outer_relations)::oid[])
    ), versions (class, object, version) AS (
        SELECT 'n', oid::text, xmin::text FROM space
        UNION ALL SELECT 'R', oid::text, described FROM role
        UNION ALL SELECT 'd', classid::text, objid::text FROM inside
        UNION ALL SELECT 'i', oid::text, xmin::text FROM indexes
        UNION ALL
        SELECT 'c', c.oid::text, concat_ws(' ', c.xmin, CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) END)
        FROM pg_class c
        WHERE c.oid = ANY((SELECT oids FROM outer_relations)::oid[]) OR c.oid = ANY(ARRAY(SELECT oid FROM indexes))
        UNION ALL
        SELECT 'a', attrelid::text || ' ' || attnum, xmin::text FROM pg_attribute
        WHERE attrelid = ANY((SELECT oids FROM outer_relations)::oid[]) AND attnum > 0
        UNION ALL
        SELECT 'v', oid::text, xmin::text FROM pg_attrdef
        WHERE adrelid = ANY((SELECT oids FROM outer_relations)::oid[])
        UNION ALL
        SELECT 'k', oid::text, xmin::text FROM pg_constraint
        WHERE conrelid = ANY((SELECT oids FROM outer_relations)::oid[])
        UNION ALL
        SELECT 't', oid::text, xmin::text FROM pg_trigger
        WHERE tgrelid = ANY((SELECT oids FROM outer_relations)::oid[])
        UNION ALL
        SELECT 'p', oid::text, xmin::text FROM pg_policy
        WHERE polrelid = ANY((SELECT oids FROM outer_relations)::oid[])
        UNION ALL
        SELECT 'w', oid::text, xmin::text FROM pg_rewrite
        WHERE ev_class = ANY((SELECT oids FROM outer_relations)::oid[])
        UNION ALL
        SELECT 's', seqrelid::text, xmin::text FROM pg_sequence
        WHERE seqrelid = ANY((SELECT oids FROM outer_relations)::oid[])
        UNION ALL
        SELECT 'f', oid::text, xmin::text FROM pg_proc
        WHERE oid = ANY(ARRAY(SELECT objid FROM inside WHERE classid = 'pg_proc'::regclass))
        UNION ALL
        SELECT 'e', oid::text, xmin::text FROM pg_enum
        WHERE enumtypid = ANY(ARRAY(SELECT objid FROM inside WHERE classid = 'pg_type'::regclass))
        UNION ALL
        SELECT 'm', concat_ws(' ', roleid, member), xmin::text FROM pg_auth_members
        WHERE roleid = (SELECT oid FROM role) OR member = (SELECT oid FROM role)
        UNION ALL
        SELECT 'g', concat_ws(' ', dbid, classid, objid, objsubid), deptype::text FROM pg_shdepend
        WHERE refclassid = 'pg_authid'::regclass AND refobjid = (SELECT oid FROM role)
    )
    SELECT concat_ws('.', count(*), sum(hashtextextended(concat_ws(' ', class, object, version), 0)))
    FROM versions
"""


def take(cursor: Any, *, schema: str, role: str) -> str:
    """The stamp of a schema and its role now; both may be missing."""
    cursor.execute(_STAMP, {"schema": schema, "role": role})
    return str(cursor.fetchone()[0])
