-- What was signed of the chains and given away, so that retention can tell what is beyond anybody's reach.
-- Nothing here is believed by `audit verify`: it goes by the anchors outside.

-- A document stays until every place has it.
CREATE TABLE audit.anchor (
    counter   bigint      PRIMARY KEY,
    taken_at  timestamptz NOT NULL,
    digest    bytea       NOT NULL,
    document  text,
    delivered text[]      NOT NULL DEFAULT '{}'
);

-- The newest end of each chain that is in an anchor outside.
CREATE TABLE audit.anchored (
    tenant_id uuid   PRIMARY KEY,
    sequence  bigint NOT NULL,
    hash      bytea  NOT NULL,
    counter   bigint NOT NULL
);

-- Keeps an anchor before it is given away, so that whoever dies in between gives away the same one again.
CREATE FUNCTION audit.begin_anchor(p_counter bigint, p_taken_at timestamptz, p_digest bytea, p_document text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = audit, pg_temp AS $$
BEGIN
    IF p_counter <= coalesce((SELECT max(counter) FROM audit.anchor), 0) THEN
        RAISE EXCEPTION 'anchor % has been taken', p_counter USING ERRCODE = 'unique_violation';
    END IF;
    INSERT INTO audit.anchor (counter, taken_at, digest, document)
    VALUES (p_counter, p_taken_at, p_digest, p_document);
END $$;

-- An anchor has come to a place. `p_is_everywhere`: no place waits for it.
CREATE FUNCTION audit.anchor_delivered(p_counter bigint, p_place text, p_is_everywhere boolean) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = audit, pg_temp AS $$
    UPDATE audit.anchor
    SET delivered = CASE WHEN p_place = ANY (delivered) THEN delivered ELSE delivered || p_place END,
        document = CASE WHEN p_is_everywhere THEN NULL ELSE document END
    WHERE counter = p_counter;
$$;

-- Takes down the ends that an anchor outside tells. An end that no entry has is refused: retention would
-- take it for a licence.
CREATE FUNCTION audit.record_ends(p_counter bigint, p_tenants uuid[], p_sequences bigint[], p_hashes bytea[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = audit, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM audit.anchor WHERE counter = p_counter AND delivered <> '{}') THEN
        RAISE EXCEPTION 'anchor % is nowhere outside', p_counter USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO audit.anchored AS a (tenant_id, sequence, hash, counter)
    SELECT i.tenant_id, i.sequence, i.hash, p_counter
    FROM unnest(p_tenants, p_sequences, p_hashes) AS i (tenant_id, sequence, hash)
    WHERE EXISTS (SELECT FROM audit.entry e
                  WHERE e.tenant_id = i.tenant_id AND e.sequence = i.sequence AND e.hash = i.hash)
    ON CONFLICT (tenant_id) DO UPDATE
        SET sequence = excluded.sequence, hash = excluded.hash, counter = excluded.counter
        WHERE a.sequence < excluded.sequence;
END $$;

-- How far each chain was cut at its beginning, and the hash that the next entry follows.
CREATE TABLE audit.checkpoint (
    tenant_id uuid        PRIMARY KEY,
    sequence  bigint      NOT NULL,
    hash      bytea       NOT NULL,
    counter   bigint      NOT NULL,
    pruned_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The owner's word against the retention login's: nothing younger goes, whatever is asked for.
CREATE TABLE audit.retention_limit (
    is_only     boolean  PRIMARY KEY DEFAULT true CHECK (is_only),
    minimum_age interval NOT NULL DEFAULT '90 days'
);
INSERT INTO audit.retention_limit DEFAULT VALUES;

-- What a tenant's trail is kept for; nothing of a trail that is held may go.
CREATE TABLE audit.retention (
    tenant_id uuid PRIMARY KEY,
    keep      interval,
    hold      text
);

-- The first step of pruning: the chain begins after this entry from now on. Its rows go in later steps.
CREATE FUNCTION audit.set_checkpoint(p_tenant uuid, p_sequence bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = audit, pg_temp AS $$
DECLARE
    anchored audit.anchored;
    last_hash bytea;
    held_for text;
    age interval := (SELECT minimum_age FROM audit.retention_limit);
BEGIN
    SELECT hold INTO held_for FROM audit.retention WHERE tenant_id = p_tenant FOR SHARE;
    IF held_for IS NOT NULL THEN
        RAISE EXCEPTION 'the trail of % is held: %', p_tenant, held_for USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO anchored FROM audit.anchored WHERE tenant_id = p_tenant;
    IF anchored.sequence IS NULL OR p_sequence > anchored.sequence THEN
        RAISE EXCEPTION 'entry % of % is in no anchor', p_sequence, p_tenant USING ERRCODE = 'check_violation';
    END IF;
    IF age IS NULL OR EXISTS (SELECT FROM audit.entry e WHERE e.tenant_id = p_tenant
                              AND e.sequence <= p_sequence AND e.created_at > now() - age) THEN
        RAISE EXCEPTION 'entries of % up to % are younger than %', p_tenant, p_sequence, age
            USING ERRCODE = 'check_violation';
    END IF;
    -- The login that removes entries cannot write this one: who runs the installation has.
    IF NOT EXISTS (SELECT FROM audit.entry e WHERE e.tenant_id = p_tenant AND e.entity_type = 'audit.retention'
                   AND (e.new_values ->> 'pruned_up_to')::bigint = p_sequence) THEN
        RAISE EXCEPTION 'no entry of % tells that it is pruned up to %', p_tenant, p_sequence
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT hash INTO last_hash FROM audit.entry WHERE tenant_id = p_tenant AND sequence = p_sequence;
    IF last_hash IS NULL THEN
        RAISE EXCEPTION 'there is no entry % of %', p_sequence, p_tenant USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO audit.checkpoint AS c (tenant_id, sequence, hash, counter)
    VALUES (p_tenant, p_sequence, last_hash, anchored.counter)
    ON CONFLICT (tenant_id) DO UPDATE
        SET sequence = excluded.sequence, hash = excluded.hash, counter = excluded.counter,
            pruned_at = excluded.pruned_at
        WHERE c.sequence < excluded.sequence;
END $$;

-- A further step: deletes at most so many entries below the tenant's checkpoint. Returns how many.
CREATE FUNCTION audit.delete_pruned(p_tenant uuid, p_most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = audit, pg_temp AS $$
    WITH gone AS (
        DELETE FROM audit.entry e USING (
            SELECT o.sequence, o.created_at FROM audit.entry o JOIN audit.checkpoint c USING (tenant_id)
            WHERE o.tenant_id = p_tenant AND o.sequence <= c.sequence ORDER BY o.sequence LIMIT p_most) old
        WHERE e.tenant_id = p_tenant AND e.sequence = old.sequence AND e.created_at = old.created_at
        RETURNING 1)
    SELECT count(*) FROM gone;
$$;

-- Drops a month of which nothing is left above the tenants' checkpoints; false: something is. Whoever reads
-- or writes is waited for no longer than lock_timeout, because everybody else would wait behind us.
CREATE FUNCTION audit.drop_pruned_month(p_partition name) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = audit, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    is_needed boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'audit.entry'::regclass
                   AND inhrelid = to_regclass(format('audit.%I', p_partition))) THEN
        RETURN false;
    END IF;
    -- Against an entry that comes late; readers go on.
    EXECUTE format('LOCK TABLE audit.%I IN SHARE MODE', p_partition);
    EXECUTE format(
        'SELECT EXISTS (SELECT FROM audit.%I e LEFT JOIN audit.checkpoint c USING (tenant_id)'
        ' WHERE c.sequence IS NULL OR e.sequence > c.sequence)', p_partition) INTO is_needed;
    IF is_needed THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE audit.%I', p_partition);
    RETURN true;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
GRANT SELECT ON audit.anchor, audit.anchored, audit.checkpoint, audit.retention, audit.retention_limit TO {auditor};
GRANT EXECUTE ON FUNCTION audit.begin_anchor, audit.anchor_delivered, audit.record_ends TO {auditor};
GRANT USAGE ON SCHEMA audit TO {retention};
GRANT EXECUTE ON FUNCTION audit.set_checkpoint, audit.delete_pruned, audit.drop_pruned_month TO {retention};
