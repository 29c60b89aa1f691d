-- Many entries at a time, and months that are made ready without stopping anybody.

-- The hashes of consecutive entries: each is that of the one before, or of the chain's end at first,
-- and the entry's content.
CREATE FUNCTION audit.next_hash(previous bytea, first_previous bytea, content bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN sha256(coalesce(previous, first_previous) || content);
END $$;

CREATE AGGREGATE audit.chained_hash(first_previous bytea, content bytea) (SFUNC = audit.next_hash, STYPE = bytea);

-- A month is made as a table of its own and then attached, for which only those who change tables wait.
-- CREATE TABLE … PARTITION OF would wait for whoever reads any entry, and everybody else for it.
CREATE FUNCTION audit.partition_name(moment timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN 'entry_' || to_char(moment AT TIME ZONE 'UTC', 'YYYY_MM');

-- Asks the tables themselves: to_regclass may not have heard yet of what another session has made.
CREATE FUNCTION audit.has_partition(moment timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path = audit, pg_temp
RETURN EXISTS (
    SELECT FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relname = audit.partition_name(moment) AND c.relnamespace = 'audit'::regnamespace
      AND i.inhparent = 'audit.entry'::regclass);

CREATE FUNCTION audit.make_partition(moment timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = audit, pg_temp AS $$
DECLARE
    first_day timestamptz := date_trunc('month', moment, 'UTC');
    name text := audit.partition_name(moment);
BEGIN
    -- Of two writers who need the same month the second finds it made.
    PERFORM pg_advisory_xact_lock(hashtext('freehold.audit.partition'));
    IF NOT audit.has_partition(moment) THEN
        EXECUTE format('CREATE TABLE audit.%I (LIKE audit.entry INCLUDING CONSTRAINTS)', name);
        EXECUTE format('ALTER TABLE audit.entry ATTACH PARTITION audit.%I FOR VALUES FROM (%L) TO (%L)',
            name, first_day, (first_day AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
    END IF;
END $$;

CREATE OR REPLACE FUNCTION audit.ensure_partition(moment timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = audit, pg_temp SET lock_timeout = '10s' AS $$
BEGIN
    IF NOT audit.has_partition(moment) THEN
        PERFORM audit.make_partition(moment);
    END IF;
END $$;

-- The month after this one, while there is time: not now if anybody is in the way.
CREATE FUNCTION audit.prepare_next_partition() RETURNS void
LANGUAGE plpgsql SET search_path = audit, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
    next_month timestamptz := date_trunc('month', clock_timestamp(), 'UTC') + interval '32 days';
BEGIN
    IF audit.has_partition(next_month) THEN
        RETURN;
    END IF;
    BEGIN
        PERFORM audit.make_partition(next_month);
    EXCEPTION WHEN lock_not_available THEN
        RETURN;  -- A batch after this one tries again.
    END;
END $$;

-- As before, but all entries in one statement. Whoever calls it chooses neither number nor hash nor the
-- time at which an entry was stored. The duplicates are looked up one by one in their index, whatever the
-- planner thinks of the size of a month that it has not analysed yet.
CREATE OR REPLACE FUNCTION audit.append(
    p_tenant uuid, p_uid uuid[], p_created_at timestamptz[], p_entity_type text[], p_operation text[],
    p_record_id text[], p_old_values text[], p_new_values text[], p_diff text[], p_modified_by text[],
    p_attribution text[], p_request_id text[], p_database_role text[], p_transaction_id text[]
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = audit, pg_temp SET "TimeZone" = 'UTC'
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    head audit.chain;
    stored_at timestamptz;
    last_sequence bigint;
    last_hash bytea;
    moment timestamptz;
BEGIN
    FOR moment IN SELECT DISTINCT date_trunc('month', t, 'UTC') FROM unnest(p_created_at) t ORDER BY 1 LOOP
        PERFORM audit.ensure_partition(moment);
    END LOOP;
    PERFORM audit.prepare_next_partition();
    SELECT * INTO head FROM audit.chain WHERE tenant_id = p_tenant FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO audit.chain VALUES (p_tenant, 0, sha256(convert_to(p_tenant::text, 'UTF8')))
        ON CONFLICT DO NOTHING;
        SELECT * INTO head FROM audit.chain WHERE tenant_id = p_tenant FOR UPDATE;
    END IF;
    stored_at := clock_timestamp();
    WITH added AS (
        INSERT INTO audit.entry
        SELECT p_tenant, n.sequence, n.uid, n.created_at, n.completed_at, n.entity_type, n.operation, n.record_id,
               n.old_values::json, n.new_values::json, n.diff::json, n.modified_by, n.attribution::json,
               n.request_id, n.database_role, n.transaction_id,
               audit.chained_hash(head.hash, convert_to(concat(
                   '36:', p_tenant,
                   octet_length(n.sequence::text) || ':', n.sequence,
                   '36:', n.uid,
                   octet_length(n.created) || ':', n.created,
                   octet_length(n.completed) || ':', n.completed,
                   coalesce(octet_length(n.entity_type) || ':', '-'), n.entity_type,
                   coalesce(octet_length(n.operation) || ':', '-'), n.operation,
                   coalesce(octet_length(n.record_id) || ':', '-'), n.record_id,
                   coalesce(octet_length(n.old_values) || ':', '-'), n.old_values,
                   coalesce(octet_length(n.new_values) || ':', '-'), n.new_values,
                   coalesce(octet_length(n.diff) || ':', '-'), n.diff,
                   coalesce(octet_length(n.modified_by) || ':', '-'), n.modified_by,
                   coalesce(octet_length(n.attribution) || ':', '-'), n.attribution,
                   coalesce(octet_length(n.request_id) || ':', '-'), n.request_id,
                   coalesce(octet_length(n.database_role) || ':', '-'), n.database_role,
                   coalesce(octet_length(n.transaction_id) || ':', '-'), n.transaction_id
               ), 'UTF8')) OVER (ORDER BY n.sequence ROWS UNBOUNDED PRECEDING)
        FROM (
            SELECT i.*, head.sequence + row_number() OVER (ORDER BY i.position) AS sequence, t.completed_at,
                   (extract(epoch FROM i.created_at) * 1000000)::bigint::text AS created,
                   (extract(epoch FROM t.completed_at) * 1000000)::bigint::text AS completed
            FROM unnest(p_uid, p_created_at, p_entity_type, p_operation, p_record_id, p_old_values, p_new_values,
                        p_diff, p_modified_by, p_attribution, p_request_id, p_database_role, p_transaction_id)
                 WITH ORDINALITY AS i (uid, created_at, entity_type, operation, record_id, old_values, new_values,
                        diff, modified_by, attribution, request_id, database_role, transaction_id, position)
            -- The database's own clock may stand behind the application's.
            CROSS JOIN LATERAL (SELECT greatest(stored_at, i.created_at) AS completed_at) t
            WHERE NOT EXISTS (SELECT FROM audit.entry e WHERE e.uid = i.uid AND e.created_at = i.created_at)
        ) n
        RETURNING sequence, hash
    )
    SELECT sequence, hash INTO last_sequence, last_hash FROM added ORDER BY sequence DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    UPDATE audit.chain SET sequence = last_sequence, hash = last_hash WHERE tenant_id = p_tenant;
    RETURN last_sequence - head.sequence;
END $$;

-- Nobody may call a function unless he was given it; this goes for those of later scripts too.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
GRANT USAGE ON SCHEMA audit TO {retention};
