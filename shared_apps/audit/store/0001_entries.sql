-- The audit database: entries that are only ever added, chained by hash per tenant.
-- Run once, as the owner, by `manage.py install`. {writer}, {reader} and {auditor} are role names.

CREATE SCHEMA audit;
REVOKE ALL ON SCHEMA audit FROM PUBLIC;

CREATE TABLE audit.entry (
    tenant_id      uuid        NOT NULL,
    sequence       bigint      NOT NULL,
    uid            uuid        NOT NULL,
    created_at     timestamptz NOT NULL,
    completed_at   timestamptz NOT NULL,
    entity_type    text        NOT NULL,
    operation      text        NOT NULL CHECK (operation IN ('CREATE', 'UPDATE', 'DELETE')),
    record_id      text,
    -- json, not jsonb: the exact bytes are hashed, and jsonb would normalise them.
    old_values     json,
    new_values     json,
    diff           json        NOT NULL,
    modified_by    text,
    attribution    json        NOT NULL,
    request_id     text,
    database_role  text        NOT NULL,
    transaction_id text        NOT NULL,
    hash           bytea       NOT NULL,
    PRIMARY KEY (tenant_id, sequence, created_at),
    UNIQUE (uid, created_at)
) PARTITION BY RANGE (created_at);

CREATE INDEX entry_record ON audit.entry (tenant_id, entity_type, record_id, sequence);
CREATE INDEX entry_person ON audit.entry (tenant_id, modified_by, sequence);
CREATE INDEX entry_request ON audit.entry (tenant_id, request_id) WHERE request_id IS NOT NULL;

-- The end of each tenant's chain.
CREATE TABLE audit.chain (
    tenant_id uuid PRIMARY KEY,
    sequence  bigint NOT NULL,
    hash      bytea  NOT NULL
);

-- An unambiguous text of a value: its length in bytes, then itself; '-' for NULL.
CREATE FUNCTION audit.netstring(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(octet_length(value) || ':' || value, '-');

-- Every column but the hash itself goes into it.
CREATE FUNCTION audit.entry_hash(previous bytea, e audit.entry) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(previous || convert_to(
    audit.netstring(e.tenant_id::text) || audit.netstring(e.sequence::text) || audit.netstring(e.uid::text)
    || audit.netstring((extract(epoch FROM e.created_at) * 1000000)::bigint::text)
    || audit.netstring((extract(epoch FROM e.completed_at) * 1000000)::bigint::text)
    || audit.netstring(e.entity_type) || audit.netstring(e.operation) || audit.netstring(e.record_id)
    || audit.netstring(e.old_values::text) || audit.netstring(e.new_values::text)
    || audit.netstring(e.diff::text) || audit.netstring(e.modified_by)
    || audit.netstring(e.attribution::text) || audit.netstring(e.request_id)
    || audit.netstring(e.database_role) || audit.netstring(e.transaction_id), 'UTF8'));

CREATE FUNCTION audit.ensure_partition(moment timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = audit, pg_temp AS $$
DECLARE
    first_day timestamptz := date_trunc('month', moment, 'UTC');
    name text := 'entry_' || to_char(first_day AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF to_regclass('audit.' || name) IS NULL THEN
        EXECUTE format('CREATE TABLE audit.%I PARTITION OF audit.entry FOR VALUES FROM (%L) TO (%L)',
            name, first_day, (first_day AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
    END IF;
END $$;

-- The only way in: appends to one tenant's chain, in the order given, what is not there yet.
-- A batch that was sent before (the relay died before it could tell) adds nothing. Returns how many
-- entries were added. The lock on the end of the chain keeps two writers from forking it.
CREATE FUNCTION audit.append(
    p_tenant uuid, p_uid uuid[], p_created_at timestamptz[], p_entity_type text[], p_operation text[],
    p_record_id text[], p_old_values text[], p_new_values text[], p_diff text[], p_modified_by text[],
    p_attribution text[], p_request_id text[], p_database_role text[], p_transaction_id text[]
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = audit, pg_temp SET "TimeZone" = 'UTC' AS $$
DECLARE
    head audit.chain;
    new_entry audit.entry;
    added integer := 0;
    moment timestamptz;
BEGIN
    INSERT INTO audit.chain VALUES (p_tenant, 0, sha256(convert_to(p_tenant::text, 'UTF8')))
    ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM audit.chain WHERE tenant_id = p_tenant FOR UPDATE;
    FOR moment IN SELECT DISTINCT date_trunc('month', t, 'UTC') FROM unnest(p_created_at) t LOOP
        PERFORM audit.ensure_partition(moment);
    END LOOP;
    FOR new_entry IN
        SELECT p_tenant, NULL::bigint, i.uid, i.created_at, NULL::timestamptz, i.entity_type, i.operation,
               i.record_id, i.old_values::json, i.new_values::json, i.diff::json, i.modified_by,
               i.attribution::json, i.request_id, i.database_role, i.transaction_id, NULL::bytea
        FROM unnest(p_uid, p_created_at, p_entity_type, p_operation, p_record_id, p_old_values, p_new_values,
                    p_diff, p_modified_by, p_attribution, p_request_id, p_database_role, p_transaction_id)
             WITH ORDINALITY AS i (uid, created_at, entity_type, operation, record_id, old_values, new_values,
                    diff, modified_by, attribution, request_id, database_role, transaction_id, position)
        WHERE NOT EXISTS (SELECT FROM audit.entry e WHERE e.uid = i.uid AND e.created_at = i.created_at)
        ORDER BY i.position
    LOOP
        head.sequence := head.sequence + 1;
        new_entry.sequence := head.sequence;
        -- The database's own clock may stand behind the application's.
        new_entry.completed_at := greatest(clock_timestamp(), new_entry.created_at);
        head.hash := audit.entry_hash(head.hash, new_entry);
        new_entry.hash := head.hash;
        INSERT INTO audit.entry VALUES (new_entry.*);
        added := added + 1;
    END LOOP;
    UPDATE audit.chain SET sequence = head.sequence, hash = head.hash WHERE tenant_id = p_tenant;
    RETURN added;
END $$;

-- Rights. The writer can call append and nothing else; it cannot even read.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
GRANT USAGE ON SCHEMA audit TO {writer}, {reader}, {auditor};
GRANT EXECUTE ON FUNCTION audit.append TO {writer};
GRANT SELECT ON audit.entry TO {reader}, {auditor};
GRANT SELECT ON audit.chain TO {auditor};
GRANT EXECUTE ON FUNCTION audit.entry_hash, audit.netstring TO {auditor};

-- The application reads one tenant at a time. The subselect makes the setting a constant of the plan
-- and so an index condition; unset, it is NULL and nothing is seen.
ALTER TABLE audit.entry ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON audit.entry FOR SELECT TO {reader}
    USING (tenant_id = (SELECT nullif(current_setting('freehold.tenant', true), '')::uuid));
CREATE POLICY everything ON audit.entry FOR SELECT TO {auditor} USING (true);
