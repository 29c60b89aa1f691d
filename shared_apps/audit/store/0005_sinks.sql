-- Where a tenant's entries are sent on to, and how far each destination has come. The owner says which there
-- are. The process that sends has the auditor's login, and can do nothing to a sink but these two things.

CREATE TABLE audit.sink (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id    uuid        NOT NULL,
    name         text        NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{0,39}$'),
    destination  text        NOT NULL,
    format       text        NOT NULL CHECK (format IN ('jsonl', 'ocsf')),
    -- Where the secret is, never the secret: {"env": NAME} or {"file": PATH}.
    secret       jsonb,
    -- The last entry that the destination has taken.
    sequence     bigint      NOT NULL CHECK (sequence >= 0),
    delivered_at timestamptz,
    failures     integer     NOT NULL DEFAULT 0,
    last_error   text,
    retry_at     timestamptz NOT NULL DEFAULT now(),
    disabled_at  timestamptz,
    UNIQUE (tenant_id, name)
);

-- After the destination said that it has the entries up to p_to. False: somebody else has moved the sink on,
-- or it was disabled meanwhile.
CREATE FUNCTION audit.sink_delivered(p_sink uuid, p_from bigint, p_to bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = audit, pg_temp AS $$
BEGIN
    UPDATE audit.sink s SET sequence = p_to, delivered_at = now(), failures = 0, last_error = NULL, retry_at = now()
    WHERE s.id = p_sink AND s.sequence = p_from AND p_to > p_from AND s.disabled_at IS NULL
      AND p_to <= (SELECT c.sequence FROM audit.chain c WHERE c.tenant_id = s.tenant_id);
    RETURN FOUND;
END $$;

CREATE FUNCTION audit.sink_failed(p_sink uuid, p_from bigint, p_error text, p_wait interval, p_most integer)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = audit, pg_temp AS $$
BEGIN
    UPDATE audit.sink s SET failures = s.failures + 1, last_error = left(p_error, 500), retry_at = now() + p_wait,
        disabled_at = CASE WHEN s.failures + 1 >= p_most THEN now() END
    WHERE s.id = p_sink AND s.sequence = p_from AND s.disabled_at IS NULL;
    RETURN FOUND;
END $$;

REVOKE ALL ON FUNCTION audit.sink_delivered, audit.sink_failed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.sink_delivered, audit.sink_failed TO {auditor};
GRANT SELECT ON audit.sink TO {auditor};
