"""The trigger that refuses changes while too many wait for the audit database.

Every schema has it, switched off and so free of cost; audit/admission.py switches it on for a tenant that
has a limit.
"""

from django.db import migrations

# Numbers have gaps, so their distance is the most that can wait: mostly the first two look-ups are all.
ADMISSION = """
DO $outer$ BEGIN EXECUTE format($create$
CREATE FUNCTION %1$I.audit_admit() RETURNS trigger
LANGUAGE plpgsql
SET search_path = %1$I, pg_temp
AS $body$
DECLARE
    allowed record;
    oldest record;
    newest bigint;
BEGIN
    SELECT audit_backlog_rows AS count, audit_backlog_seconds AS age INTO allowed
    FROM public.tenants_tenant WHERE schema_name = TG_TABLE_SCHEMA;
    SELECT id, created_at INTO oldest FROM audit_outbox ORDER BY id LIMIT 1;
    IF oldest.id IS NULL THEN
        RETURN NULL;
    END IF;
    IF clock_timestamp() - oldest.created_at > make_interval(secs => allowed.age) THEN
        RAISE EXCEPTION 'changes have waited for the audit database since %%', oldest.created_at
            USING ERRCODE = 'FH001';
    END IF;
    SELECT max(id) INTO newest FROM audit_outbox;
    IF newest - oldest.id + 1 >= allowed.count THEN
        PERFORM FROM audit_outbox ORDER BY id OFFSET allowed.count - 1 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION '%% changes wait for the audit database', allowed.count
                USING ERRCODE = 'FH001';
        END IF;
    END IF;
    RETURN NULL;
END
$body$
$create$, current_schema()); END $outer$;
REVOKE ALL ON FUNCTION audit_admit() FROM PUBLIC;
CREATE TRIGGER audit_admission BEFORE INSERT ON audit_outbox
    FOR EACH STATEMENT EXECUTE FUNCTION audit_admit();
ALTER TABLE audit_outbox DISABLE TRIGGER audit_admission;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_outbox")]
    operations = [
        migrations.RunSQL(
            ADMISSION,
            "DROP TRIGGER audit_admission ON audit_outbox; DROP FUNCTION audit_admit()",
        ),
    ]
