"""Vendors and invoices count their versions and know when they were last changed."""

import django.db.models.functions.datetime
from django.db import migrations, models

# As in 0002, with what moves at every change of an invoice's life.
INVOICE = """
CREATE OR REPLACE FUNCTION invoicing_protect_invoice() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    life_cycle CONSTANT text[] := ARRAY[
        'status', 'paid_at', 'voided_at', 'credited_at', 'updated_at', 'version'];
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
"""


def _version() -> "models.PositiveIntegerField[int, int]":
    return models.PositiveIntegerField(db_default=1, default=1, editable=False)


def _updated_at() -> "models.DateTimeField[str, str]":
    return models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0002_immutability")]
    operations = [
        migrations.RunSQL(INVOICE, migrations.RunSQL.noop),
        migrations.AddField("vendor", "version", _version()),
        migrations.AddField("vendor", "updated_at", _updated_at()),
        migrations.AddField("invoice", "version", _version()),
        migrations.AddField("invoice", "updated_at", _updated_at()),
    ]
