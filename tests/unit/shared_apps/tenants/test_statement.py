"""What is told of a statement by its text."""

import pytest

from shared_apps.tenants.database.statement import kind_of


@pytest.mark.parametrize(
    "text",
    [
        'SELECT COUNT(*) AS "__count" FROM "a" WHERE ("a"."x" IN (%s) AND UPPER("a"."y"::text) LIKE %s)',
        'SELECT "a"."id" FROM "a" INNER JOIN "b" ON ("a"."id" = "b"."a_id") LIMIT 1 FOR UPDATE',
        'INSERT INTO "t" ("id", "b") VALUES (%s, %s) ON CONFLICT("id") DO NOTHING RETURNING "t"."id"',
        'UPDATE "a" SET "b" = (CASE WHEN ("a"."id" = %s) THEN %s ELSE NULL END)::varchar(200)',
        'DELETE FROM "t" WHERE "t"."id" IN (SELECT U0."id" FROM "t" U0)',
        'SAVEPOINT "s1"',
        'ROLLBACK TO SAVEPOINT "s1"',
        "SELECT 1;",
    ],
)
def test_statements_that_leave_nothing_in_a_session(text: str) -> None:
    assert not kind_of(text).leaves_traces


@pytest.mark.parametrize(
    "text",
    [
        "SET work_mem = '1MB'",
        "SELECT set_config('a', 'b', false)",
        "SELECT SET_CONFIG ('a', 'b', false)",
        "SELECT pg_catalog.set_config('a', 'b', false)",
        "SELECT pg_catalog . set_config('a', 'b', false)",
        "SELECT \"set_config\"('a', 'b', false)",
        "SELECT set_config/* */('a', 'b', false)",
        "SELECT set_config -- \n ('a', 'b', false)",
        "SELECT '\"', set_config('a', 'b', false), '\" ('",
        "SELECT 'INTO \"', set_config('a', 'b', false), '\" ('",
        'INSERT INTO "a" ("b") SELECT set_config(%s, %s, false)',
        "WITH a AS (SELECT pg_advisory_lock(1)) SELECT * FROM a",
        "SELECT pg_try_advisory_lock(1)",
        "SELECT nextval('a')",
        "SELECT my_own(1)",
        "SELECT éset(1)",
        "SELECT \u017fum(1)",
        "SELECT x$count(1)",
        "SELECT 1 INTO TEMP a",
        "SELECT 1 INTO pg_temp.a",
        "CREATE TEMPORARY TABLE a (b int)",
        "CREATE TABLE a (b int)",
        "SELECT 1; SET ROLE a",
        "BEGIN; SET ROLE a",
        "PREPARE a AS SELECT 1",
        "EXECUTE a",
        "LISTEN a",
        "DECLARE a CURSOR WITH HOLD FOR SELECT 1",
        "DO $$BEGIN END$$",
        "CALL a()",
        "COPY a FROM STDIN",
        "EXPLAIN ANALYZE SELECT my_own(1)",
        "LOAD 'a'",
        "/* first */ SET work_mem = '1MB'",
    ],
)
def test_statements_that_may_leave_something(text: str) -> None:
    assert kind_of(text).leaves_traces
    assert kind_of(text + " " * 5000).leaves_traces
