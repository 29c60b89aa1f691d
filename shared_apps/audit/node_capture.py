"""The capture function as a node of a Citus cluster needs it.

There a trigger fires on the shard of a table, whose name carries a number, so the table's own name is an
argument; and the statement that fills the outbox is planned by Citus, which knows no transition tables, so
rows are read first and written one by one.
"""

from typing import Any

from psycopg import sql

_BODY = """
DECLARE
    actor text := nullif(current_setting('freehold.attribution', true), '');
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    removed text[] := TG_ARGV[1]::text[];
    row record;
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        FOR row IN SELECT to_jsonb(r) AS image FROM new_rows r LOOP
            INSERT INTO audit_outbox
                (table_name, operation, record_id, new_values, attribution, database_role)
            VALUES (TG_ARGV[2], 'CREATE', row.image ->> TG_ARGV[0], row.image - removed, actor, caller);
        END LOOP;
    WHEN 'DELETE' THEN
        FOR row IN SELECT to_jsonb(r) AS image FROM old_rows r LOOP
            INSERT INTO audit_outbox
                (table_name, operation, record_id, old_values, attribution, database_role)
            VALUES (TG_ARGV[2], 'DELETE', row.image ->> TG_ARGV[0], row.image - removed, actor, caller);
        END LOOP;
    WHEN 'UPDATE' THEN
        -- A changed key has no partner: it is the end of one record and the start of another.
        FOR row IN
            SELECT o.image AS old_image, n.image AS new_image
            FROM (SELECT to_jsonb(r) - removed AS image FROM old_rows r) o
            FULL JOIN (SELECT to_jsonb(r) - removed AS image FROM new_rows r) n
                ON o.image -> TG_ARGV[0] = n.image -> TG_ARGV[0]
            WHERE o.image IS DISTINCT FROM n.image
        LOOP
            INSERT INTO audit_outbox
                (table_name, operation, record_id, old_values, new_values, attribution, database_role)
            VALUES (TG_ARGV[2],
                    CASE WHEN row.old_image IS NULL THEN 'CREATE'
                         WHEN row.new_image IS NULL THEN 'DELETE' ELSE 'UPDATE' END,
                    coalesce(row.new_image, row.old_image) ->> TG_ARGV[0],
                    row.old_image, row.new_image, actor, caller);
        END LOOP;
    WHEN 'TRUNCATE' THEN
        FOR row IN EXECUTE format('SELECT to_jsonb(r) AS image FROM %I.%I r', TG_TABLE_SCHEMA, TG_TABLE_NAME)
        LOOP
            INSERT INTO audit_outbox
                (table_name, operation, record_id, old_values, attribution, database_role)
            VALUES (TG_ARGV[2], 'DELETE', row.image ->> TG_ARGV[0], row.image - removed, actor, caller);
        END LOOP;
    END CASE;
    RETURN NULL;
END
"""


def install(cursor: Any, *, schema: str) -> None:
    """Put it in the place of the one that the migration made; one that is the same is left alone."""
    cursor.execute(
        "SELECT prosrc FROM pg_proc WHERE pronamespace = %s::regnamespace AND proname = 'audit_capture'",
        [sql.Identifier(schema).as_string(None)],
    )
    if [row[0] for row in cursor.fetchall()] == [_BODY]:
        return
    cursor.execute(
        sql.SQL(
            "CREATE OR REPLACE FUNCTION {schema}.audit_capture() RETURNS trigger"
            " LANGUAGE plpgsql SECURITY DEFINER"
            " SET search_path = {schema}, pg_temp SET enable_nestloop = off SET \"TimeZone\" = 'UTC'"
            " AS $body${body}$body$"
        ).format(schema=sql.Identifier(schema), body=sql.SQL(_BODY))
    )
