"""The function that audit triggers run: from the rows of a statement to rows of the outbox.

There is one in each schema, beside the outbox that it writes to (ADR 0005). A trigger tells it: the key's
first column, the columns that are never recorded, the table's name in the trail, the columns of which no
value is recorded, the key's further columns.

On a node of a Citus cluster the statement that fills the outbox is planned by Citus, which knows no
transition tables: there rows are read first and written one by one. What is read is the same.
"""

from typing import Any

from psycopg import sql

MAX_KEY_COLUMNS = 4
REDACTED = "[redacted]"
REDACTED_CHANGED = "[redacted: changed]"

# search_path names pg_temp last: left out, it would be searched first, and a temporary table called
# audit_outbox would swallow the trail. enable_nestloop is off because a cached plan made for one row
# would join 10,000 rows with 10,000 by a nested loop (26 s instead of 0.3 s). plan_cache_mode keeps that
# one plan: after a bulk change PostgreSQL would plan anew for every single row, at twice the cost. row_security is off because
# TRUNCATE reads the table: a policy is then an error, where it would hide rows. The others are what the
# text of a value depends on: it is the same whatever the session prefers.
SETTINGS = {
    "enable_nestloop": "off",
    "plan_cache_mode": "force_generic_plan",
    "row_security": "off",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
}


# One column's value as text; of several columns a JSON array, as PostgreSQL writes it.
_RECORD_ID = "CASE WHEN keys[2] IS NULL THEN <image> ->> keys[1] ELSE '[' || <parts> || ']' END"
_PARTS = "(<image> -> keys[1])::text || ', ' || (<image> -> keys[2])::text" + "".join(
    f" || coalesce(', ' || (<image> -> keys[{number}])::text, '')"
    for number in range(3, MAX_KEY_COLUMNS + 1)
)


def _record_id(image: str) -> str:
    return _RECORD_ID.replace("<parts>", _PARTS).replace("<image>", image)


def record_id_of(image: str, keys: tuple[str, ...]) -> sql.Composed:
    """The same for a known key: the record's name in the trail, of an image of its row."""
    parts = [sql.SQL("({} -> {})").format(sql.SQL(image), sql.Literal(key)) for key in keys]
    if len(parts) == 1:
        return sql.SQL("({} ->> {})").format(sql.SQL(image), sql.Literal(keys[0]))
    listed = sql.SQL(" || ', ' || ").join(sql.SQL("{}::text").format(part) for part in parts)
    return sql.SQL("('[' || {} || ']')").format(listed)


# OFFSET 0 keeps the planner from writing to_jsonb wherever the image is used, which doubled the time.
_IMAGES = """(
            SELECT i.image, <record_id> AS record_id
            FROM (SELECT to_jsonb(r) - removed AS image FROM <rows> r OFFSET 0) i)"""


def _images(rows: str) -> str:
    return _IMAGES.replace("<record_id>", _record_id("i.image")).replace("<rows>", rows)


# Queries of (operation, record_id, old_values, new_values).
_INSERTED = """
        SELECT 'CREATE' AS operation, n.record_id, NULL::jsonb AS old_values, n.image || hidden AS new_values
        FROM <new> n""".replace("<new>", _images("new_rows"))

_DELETED = """
        SELECT 'DELETE' AS operation, o.record_id, o.image || hidden AS old_values, NULL::jsonb AS new_values
        FROM <old> o""".replace("<old>", _images("old_rows"))

# A changed key has no partner: it is the end of one record and the start of another. Images are compared
# as text too, because 1.50 equals 1.5.
_UPDATED = """
        SELECT CASE WHEN o.image IS NULL THEN 'CREATE' WHEN n.image IS NULL THEN 'DELETE' ELSE 'UPDATE' END
                   AS operation,
               coalesce(n.record_id, o.record_id) AS record_id,
               o.image<hiding> AS old_values, n.image<hiding><changed> AS new_values
        FROM <old> o
        FULL JOIN <new> n ON o.record_id = n.record_id
        WHERE o.image IS DISTINCT FROM n.image OR o.image::text <> n.image::text""".replace(
    "<old>", _images("old_rows")
).replace("<new>", _images("new_rows"))

_CHANGED = """ || coalesce(
                   (SELECT jsonb_object_agg(k, '<mark>'::text) FROM jsonb_object_keys(hidden) k
                    WHERE o.image IS NOT NULL AND o.image -> k IS DISTINCT FROM n.image -> k), '{}')""".replace(
    "<mark>", REDACTED_CHANGED
)


def _updated(*, hiding: str, changed: str) -> str:
    return _UPDATED.replace("<hiding>", hiding).replace("<changed>", changed)


_COLUMNS = "table_name, operation, record_id, old_values, new_values, attribution, database_role"

_IN_ONE_STATEMENT = """
        INSERT INTO audit_outbox (<columns>)
        SELECT entity, c.operation, c.record_id, c.old_values, c.new_values, actor, caller FROM (<query>) c;"""

_ROW_BY_ROW = """
        FOR row IN <query> LOOP
            INSERT INTO audit_outbox (<columns>)
            VALUES (entity, row.operation, row.record_id, row.old_values, row.new_values, actor, caller);
        END LOOP;"""

_BODY = """
DECLARE
    actor text := nullif(current_setting('freehold.attribution', true), '');
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    keys text[] := TG_ARGV[0] || TG_ARGV[4:];
    removed text[] := TG_ARGV[1];
    entity text := coalesce(TG_ARGV[2], TG_TABLE_NAME);
    hidden jsonb := coalesce(TG_ARGV[3], '{}');
    whole jsonb;
    unguarded regclass;
    row record;
BEGIN
    IF removed <> '{}' OR hidden <> '{}' THEN
        -- A column that the trigger names is gone: it has another name now, by which its values would be
        -- recorded. Until the trigger is told, nothing of a row is told but its key.
        SELECT jsonb_object_agg(attname, '<mark>'::text) FILTER (WHERE attname <> ALL (keys || removed))
        INTO whole FROM pg_attribute WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped
        HAVING count(*) FILTER (WHERE attname = ANY (removed) OR hidden ? attname::text)
            < cardinality(removed) + (SELECT count(*) FROM jsonb_object_keys(hidden));
        hidden := coalesce(whole, hidden);
    END IF;
    IF TG_OP = 'INSERT' THEN<inserted>
    ELSIF TG_OP = 'DELETE' THEN<deleted>
    ELSIF TG_OP = 'UPDATE' AND hidden = '{}' THEN<updated>
    ELSIF TG_OP = 'UPDATE' THEN<updated redacted>
    ELSE
        -- TRUNCATE of a partitioned table is one of each partition too: each tells of its own rows.
        SELECT p.relid INTO unguarded FROM pg_partition_tree(TG_RELID) p WHERE NOT EXISTS (
            SELECT FROM pg_trigger t
            WHERE t.tgrelid = p.relid AND t.tgname = 'audit_truncate' AND t.tgenabled = 'A');
        IF unguarded IS NOT NULL THEN
            RAISE EXCEPTION 'the partition % is not audited yet: manage.py audit status --repair', unguarded
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        FOR row IN EXECUTE format('SELECT to_jsonb(r) - $1 AS image FROM ONLY %I.%I r',
                                  TG_TABLE_SCHEMA, TG_TABLE_NAME) USING removed
        LOOP
            INSERT INTO audit_outbox (<columns>)
            VALUES (entity, 'DELETE', <record_id>, row.image || hidden, NULL, actor, caller);
        END LOOP;
    END IF;
    RETURN NULL;
END
"""


def body(*, is_on_node: bool) -> str:
    """The same text in every schema."""
    write = _ROW_BY_ROW if is_on_node else _IN_ONE_STATEMENT
    text = _BODY.replace("<mark>", REDACTED).replace("<record_id>", _record_id("row.image"))
    for name, query in (
        ("<inserted>", _INSERTED),
        ("<deleted>", _DELETED),
        ("<updated>", _updated(hiding="", changed="")),
        ("<updated redacted>", _updated(hiding=" || hidden", changed=_CHANGED)),
    ):
        text = text.replace(name, write.replace("<query>", query.strip()))
    return text.replace("<columns>", _COLUMNS)


# Of pg_proc p in pg_namespace n.
IS_RIGHT = """
    p.prosecdef AND p.prosrc = %(body)s AND ARRAY(SELECT unnest(p.proconfig) ORDER BY 1) = ARRAY(
        SELECT unnest(%(settings)s::text[] || format('search_path=%%I, pg_temp', n.nspname)) ORDER BY 1)
"""


def expectation(*, is_on_node: bool) -> dict[str, Any]:
    """Parameters of IS_RIGHT."""
    return {
        "body": body(is_on_node=is_on_node),
        "settings": [f"{name}={value}" for name, value in SETTINGS.items()],
    }


def install(cursor: Any, *, schema: str, is_on_node: bool) -> None:
    """Make the function what it should be, as the owner of the outbox; one that is so is left alone."""
    expected = expectation(is_on_node=is_on_node)
    cursor.execute(
        "SELECT <right> FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = %(schema)s AND p.proname = 'audit_capture'".replace(
            "<right>", IS_RIGHT
        ),
        {**expected, "schema": schema},
    )
    if cursor.fetchall() == [(True,)]:
        return
    # DateStyle is a list: its parts are values of their own.
    settings = sql.SQL(" ").join(
        sql.SQL("SET {} = {}").format(
            sql.Identifier(name), sql.SQL(", ").join(map(sql.Literal, value.split(", ")))
        )
        for name, value in SETTINGS.items()
    )
    cursor.execute(
        sql.SQL(
            "CREATE OR REPLACE FUNCTION {schema}.audit_capture() RETURNS trigger"
            " LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp {settings}"
            " AS $body${body}$body$"
        ).format(schema=sql.Identifier(schema), settings=settings, body=sql.SQL(expected["body"]))
    )
