-- The relays tell here what they do. Nothing depends on it: who works on what is decided by locks.

CREATE TABLE audit.relay (
    id         uuid        PRIMARY KEY,
    host       text        NOT NULL,
    process_id integer     NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    shards     integer[]   NOT NULL,
    moved      bigint      NOT NULL,
    moved_at   timestamptz,
    rows_per_second double precision NOT NULL,
    waiting    integer     NOT NULL,
    oldest_at  timestamptz,
    failing    json        NOT NULL
);

CREATE FUNCTION audit.report_relay(
    p_id uuid, p_host text, p_process_id integer, p_started_at timestamptz, p_shards integer[], p_moved bigint,
    p_moved_at timestamptz, p_rows_per_second double precision, p_waiting integer, p_oldest_at timestamptz, p_failing text
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = audit, pg_temp
BEGIN ATOMIC
    DELETE FROM audit.relay WHERE seen_at < clock_timestamp() - interval '1 day';
    INSERT INTO audit.relay VALUES (p_id, p_host, p_process_id, p_started_at, clock_timestamp(), p_shards,
        p_moved, p_moved_at, p_rows_per_second, p_waiting, p_oldest_at, p_failing::json)
    ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, shards = excluded.shards, moved = excluded.moved,
        moved_at = excluded.moved_at, rows_per_second = excluded.rows_per_second,
        waiting = excluded.waiting, oldest_at = excluded.oldest_at,
        failing = excluded.failing;
END;

CREATE FUNCTION audit.retire_relay(p_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = audit, pg_temp
BEGIN ATOMIC
    DELETE FROM audit.relay WHERE id = p_id;
END;

REVOKE ALL ON FUNCTION audit.report_relay, audit.retire_relay FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.report_relay, audit.retire_relay TO {writer};
-- Reasons of failures may quote rows of tenants: not for the application, which reads for all of them.
GRANT SELECT ON audit.relay TO {writer}, {auditor};
GRANT SELECT (id, host, process_id, started_at, seen_at, shards, moved, moved_at,
    rows_per_second, waiting, oldest_at)
    ON audit.relay TO {reader};
