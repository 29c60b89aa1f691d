-- The application may read the entries of several tenants in one query: freehold.tenant is a list, with
-- commas. As before it becomes a constant of the plan, and unset it shows nothing.

DROP POLICY one_tenant ON audit.entry;
CREATE POLICY named_tenants ON audit.entry FOR SELECT TO {reader}
    USING (tenant_id = ANY (ARRAY(
        SELECT id::uuid FROM unnest(string_to_array(nullif(current_setting('freehold.tenant', true), ''), ',')) id)));

-- A page of several tenants is merged from the newest entries of each.
CREATE INDEX entry_age ON audit.entry (tenant_id, created_at, sequence);
