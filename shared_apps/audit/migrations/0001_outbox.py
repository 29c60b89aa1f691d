"""The outbox and the capture function of one schema: every tenant's and the shared one.

The function lives in the schema that it writes to. A single shared one would have to build its INSERT
at run time and have it planned anew for every statement, which was measured at twice the cost for a
single row (ADR 0005).
"""

from django.db import migrations

OUTBOX = """
CREATE TABLE audit_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    uid uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    table_name text NOT NULL,
    operation text NOT NULL,
    record_id text,
    old_values jsonb,
    new_values jsonb,
    attribution text,
    database_role text NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id()
);
REVOKE ALL ON audit_outbox FROM PUBLIC;
"""

# Trigger arguments: the primary key's column, and the columns that are never recorded (an array).
# search_path names pg_temp last: left out, it would be searched first, and a temporary table called
# audit_outbox would swallow the trail. enable_nestloop is off because a cached plan made for one row
# would join 10,000 rows with 10,000 by a nested loop (26 s instead of 0.3 s).
CAPTURE = """
DO $outer$ BEGIN EXECUTE format($create$
CREATE FUNCTION %1$I.audit_capture() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = %1$I, pg_temp
SET enable_nestloop = off
SET "TimeZone" = 'UTC'
AS $body$
DECLARE
    actor text := nullif(current_setting('freehold.attribution', true), '');
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        INSERT INTO audit_outbox (table_name, operation, record_id, new_values, attribution, database_role)
        SELECT TG_TABLE_NAME, 'CREATE', image ->> TG_ARGV[0], image - TG_ARGV[1]::text[], actor, caller
        FROM (SELECT to_jsonb(r) AS image FROM new_rows r) n;
    WHEN 'DELETE' THEN
        INSERT INTO audit_outbox (table_name, operation, record_id, old_values, attribution, database_role)
        SELECT TG_TABLE_NAME, 'DELETE', image ->> TG_ARGV[0], image - TG_ARGV[1]::text[], actor, caller
        FROM (SELECT to_jsonb(r) AS image FROM old_rows r) o;
    WHEN 'UPDATE' THEN
        -- A changed key has no partner: it is the end of one record and the start of another.
        INSERT INTO audit_outbox
            (table_name, operation, record_id, old_values, new_values, attribution, database_role)
        SELECT TG_TABLE_NAME,
               CASE WHEN o.image IS NULL THEN 'CREATE' WHEN n.image IS NULL THEN 'DELETE' ELSE 'UPDATE' END,
               coalesce(n.image, o.image) ->> TG_ARGV[0], o.image, n.image, actor, caller
        FROM (SELECT to_jsonb(r) - TG_ARGV[1]::text[] AS image FROM old_rows r) o
        FULL JOIN (SELECT to_jsonb(r) - TG_ARGV[1]::text[] AS image FROM new_rows r) n
            ON o.image -> TG_ARGV[0] = n.image -> TG_ARGV[0]
        WHERE o.image IS DISTINCT FROM n.image;
    WHEN 'TRUNCATE' THEN
        EXECUTE format(
            'INSERT INTO audit_outbox (table_name, operation, record_id, old_values, attribution, database_role)'
            ' SELECT $1, ''DELETE'', to_jsonb(r) ->> $2, to_jsonb(r) - $3, $4, $5 FROM %%I.%%I r',
            TG_TABLE_SCHEMA, TG_TABLE_NAME)
        USING TG_TABLE_NAME, TG_ARGV[0], TG_ARGV[1]::text[], actor, caller;
    END CASE;
    RETURN NULL;
END
$body$
$create$, current_schema()); END $outer$;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunSQL(OUTBOX, "DROP TABLE audit_outbox"),
        migrations.RunSQL(CAPTURE, "DROP FUNCTION audit_capture()"),
    ]
