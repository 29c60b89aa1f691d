"""An issued invoice cannot be changed by anybody, raw SQL included.

The functions are made in whichever schema the migration runs in and name no schema themselves: they
look at the table's own (TG_TABLE_SCHEMA), so they hold for callers with another search_path and
after the schema was renamed.
"""

from django.db import migrations

# Whatever column is added later is protected too, unless it is named here. A draft may become
# anything that the constraints allow; an issued invoice never becomes a draft again.
INVOICE = """
CREATE FUNCTION invoicing_protect_invoice() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    life_cycle CONSTANT text[] := ARRAY['status', 'paid_at', 'voided_at', 'credited_at'];
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.status <> 'DRAFT' THEN
            RAISE EXCEPTION 'invoice % is issued and cannot be deleted', OLD.id
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.status <> 'DRAFT' AND (
        NEW.status = 'DRAFT' OR to_jsonb(NEW) - life_cycle <> to_jsonb(OLD) - life_cycle
    ) THEN
        RAISE EXCEPTION 'invoice % is issued and cannot be changed', OLD.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$body$;

CREATE TRIGGER invoicing_protect_invoice
    BEFORE UPDATE OR DELETE ON invoicing_invoice
    FOR EACH ROW EXECUTE FUNCTION invoicing_protect_invoice();
"""

# Once a statement, not once a row: a thousand items cost one look. FOR SHARE waits for a transaction
# that is just issuing the invoice and then sees what it became.
ITEMS = """
CREATE FUNCTION invoicing_protect_items() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    changed uuid[];
    is_refused boolean;
BEGIN
    -- Apart from the look at the invoices: Citus plans no query of a table and a transition table.
    CASE TG_OP
        WHEN 'INSERT' THEN changed := ARRAY(SELECT DISTINCT invoice_id FROM new_items);
        WHEN 'DELETE' THEN changed := ARRAY(SELECT DISTINCT invoice_id FROM old_items);
        ELSE changed := ARRAY(
            SELECT invoice_id FROM old_items UNION SELECT invoice_id FROM new_items);
    END CASE;
    EXECUTE format(
        'SELECT coalesce(bool_or(status <> ''DRAFT''), false) FROM'
        ' (SELECT status FROM %I.invoicing_invoice WHERE id = ANY($1) ORDER BY id FOR SHARE) i',
        TG_TABLE_SCHEMA
    ) INTO is_refused USING changed;
    IF is_refused THEN
        RAISE EXCEPTION 'the items of an issued invoice cannot be changed'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$body$;

CREATE TRIGGER invoicing_protect_items_insert
    AFTER INSERT ON invoicing_invoiceitem REFERENCING NEW TABLE AS new_items
    FOR EACH STATEMENT EXECUTE FUNCTION invoicing_protect_items();
CREATE TRIGGER invoicing_protect_items_update
    AFTER UPDATE ON invoicing_invoiceitem REFERENCING OLD TABLE AS old_items NEW TABLE AS new_items
    FOR EACH STATEMENT EXECUTE FUNCTION invoicing_protect_items();
CREATE TRIGGER invoicing_protect_items_delete
    AFTER DELETE ON invoicing_invoiceitem REFERENCING OLD TABLE AS old_items
    FOR EACH STATEMENT EXECUTE FUNCTION invoicing_protect_items();
"""


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0001_initial")]
    operations = [
        migrations.RunSQL(INVOICE, "DROP FUNCTION invoicing_protect_invoice() CASCADE"),
        migrations.RunSQL(ITEMS, "DROP FUNCTION invoicing_protect_items() CASCADE"),
    ]
