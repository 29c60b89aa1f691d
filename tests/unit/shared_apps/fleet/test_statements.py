"""Texts of several statements taken apart, as Citus wants them."""

import pytest

from shared_apps.fleet import statements

BODY = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN; RETURN 1; END $body$"
NESTED = "DO $outer$ BEGIN EXECUTE format($create$ SELECT ';' $create$); END $outer$"
ATOMIC = (
    "CREATE FUNCTION g(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC"
    " SELECT CASE WHEN x > 0 THEN 1 ELSE 2 END; SELECT 3; END"
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        (" ; ;\n", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT 'a;b', \"c;d\"; SELECT 2", ["SELECT 'a;b', \"c;d\"", "SELECT 2"]),
        ("SELECT 'it''s; fine'; SELECT 2", ["SELECT 'it''s; fine'", "SELECT 2"]),
        (r"SELECT E'\'; x'; SELECT 2", [r"SELECT E'\'; x'", "SELECT 2"]),
        (r"SELECT '\'; SELECT 2", [r"SELECT '\'", "SELECT 2"]),
        ("SELECT 1 -- one; two\n; SELECT 2", ["SELECT 1 -- one; two", "SELECT 2"]),
        ("SELECT 1 /* a; /* b; */ c; */; SELECT 2", ["SELECT 1 /* a; /* b; */ c; */", "SELECT 2"]),
        ("-- nothing but words;\n/* ; */", []),
        ("CREATE RULE r AS ON DELETE TO t DO (DELETE FROM a; DELETE FROM b); SELECT 2",
         ["CREATE RULE r AS ON DELETE TO t DO (DELETE FROM a; DELETE FROM b)", "SELECT 2"]),
        (f"{BODY}; {NESTED};\nSELECT $1; SELECT a$b$c", [BODY, NESTED, "SELECT $1", "SELECT a$b$c"]),
        (f"{ATOMIC}; SELECT 2", [ATOMIC, "SELECT 2"]),
        ("BEGIN; SELECT CASE WHEN true THEN 1 END; COMMIT",
         ["BEGIN", "SELECT CASE WHEN true THEN 1 END", "COMMIT"]),
        ("SELECT $$never closed; SELECT 2", ["SELECT $$never closed; SELECT 2"]),
    ],
)  # fmt: skip
def test_a_text_is_taken_apart_where_a_statement_ends(text: str, parts: list[str]) -> None:
    assert statements.split(text) == parts
