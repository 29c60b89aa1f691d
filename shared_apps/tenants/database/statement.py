"""What can be told of a statement by its text, without its values."""

import re
from dataclasses import dataclass
from functools import lru_cache

# After these the relay is told to look; a write that hides elsewhere is found by its sweep.
_WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "TRUNCATE", "COPY")
# Statements that may share a message with others and do not end what was told. In session mode the
# rest is sent alone, because several statements in one message run in an implicit transaction, which
# a few (CREATE INDEX CONCURRENTLY, VACUUM) refuse.
_JOINABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "SAVEPOINT", "RELEASE", "(", "LOCK")
# These end a transaction or go back within one, also where every other statement is refused.
_ENDS = ("ROLLBACK", "COMMIT", "BEGIN", "START", "END", "ABORT")
_TRANSACTION_CONTROL = (*_ENDS, "PREPARE TRAN")
# Besides the joinable ones, what leaves role, path and settings as they are.
_HARMLESS = (*_JOINABLE, "CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "TRUNCATE", "MERGE", "FETCH")

# Statements that leave nothing in the session behind their transaction, whatever is not below.
_LEAVING_NOTHING = (*_JOINABLE, *_ENDS)
# A temporary table, a further statement, and comments, which could stand between a name and its bracket.
_LASTING = re.compile(r"\b(?:TEMP|TEMPORARY|PG_TEMP\w*)\b|;\s*\S|/\*|--", re.IGNORECASE)
# A call of what is none of PostgreSQL's own: in quotes or of a schema, and not `INSERT INTO "table" (`.
_FOREIGN_CALL = re.compile(r'(?<!INTO )"[^"]*"\s*\(|\.\s*[^\W\d][\w$]*\s*\(')
_CALL = re.compile(r"(?<![\w$.])([^\W\d][\w$]*)\s*\(")
# Words before a bracket, and functions that leave nothing in a session: what Django's ORM writes, and
# what is common in SQL by hand. Any other function is not known, so it counts as one that does.
_TRACELESS = frozenset(
    """
    ALL AND ANY ARRAY AS BETWEEN BY CASE CAST CHECK CONFLICT CUBE DISTINCT ELSE EXCEPT EXISTS FILTER
    FROM GROUPING HAVING IN INTERSECT IS JOIN KEY LATERAL LIKE LIMIT MATERIALIZED NOT OFFSET ON OR OVER
    PARTITION RETURNING ROLLUP ROW SELECT SET SETS SOME THEN UNION USING VALUES WHEN WHERE WITHIN
    BIT CHAR CHARACTER DECIMAL INTERVAL NUMERIC TIME TIMESTAMP TIMESTAMPTZ VARCHAR VARYING
    ABS ACOS ASIN ATAN ATAN2 CBRT CEIL CEILING COS COT DEGREES DIV EXP FLOOR GREATEST LEAST LN LOG MOD
    PI POWER RADIANS RANDOM ROUND SIGN SIN SQRT TAN TRUNC
    ARRAY_AGG AVG BIT_AND BIT_OR BIT_XOR BOOL_AND BOOL_OR CORR COUNT COVAR_POP COVAR_SAMP EVERY
    JSONB_AGG JSONB_OBJECT_AGG JSON_AGG JSON_OBJECT_AGG MAX MIN MODE PERCENTILE_CONT PERCENTILE_DISC
    REGR_AVGX REGR_AVGY REGR_COUNT REGR_INTERCEPT REGR_R2 REGR_SLOPE REGR_SXX REGR_SXY REGR_SYY
    STDDEV_POP STDDEV_SAMP STRING_AGG SUM VAR_POP VAR_SAMP
    CUME_DIST DENSE_RANK FIRST_VALUE LAG LAST_VALUE LEAD NTH_VALUE NTILE PERCENT_RANK RANK ROW_NUMBER
    ASCII BTRIM CHARACTER_LENGTH CHAR_LENGTH CHR CONCAT CONCAT_WS DECODE ENCODE FORMAT HASHTEXT INITCAP
    LEFT LENGTH LOWER LPAD LTRIM MD5 OCTET_LENGTH OVERLAY POSITION REGEXP_MATCHES REGEXP_REPLACE REPEAT
    REPLACE REVERSE RIGHT RPAD RTRIM SHA224 SHA256 SHA384 SHA512 SPLIT_PART STRPOS SUBSTR SUBSTRING
    TO_CHAR TO_DATE TO_NUMBER TO_TIMESTAMP TRANSLATE TRIM UPPER
    AGE CLOCK_TIMESTAMP DATE DATE_PART DATE_TRUNC EXTRACT MAKE_DATE MAKE_INTERVAL MAKE_TIMESTAMPTZ NOW
    STATEMENT_TIMESTAMP TIMEZONE TRANSACTION_TIMESTAMP
    ARRAY_APPEND ARRAY_CAT ARRAY_LENGTH ARRAY_POSITION ARRAY_REMOVE CARDINALITY COALESCE
    GENERATE_SERIES GEN_RANDOM_UUID JSONB_ARRAY_ELEMENTS JSONB_ARRAY_LENGTH JSONB_BUILD_ARRAY
    JSONB_BUILD_OBJECT JSONB_EACH JSONB_SET JSONB_TYPEOF JSON_ARRAY JSON_BUILD_OBJECT JSON_OBJECT
    LOWER_INC LOWER_INF NULLIF TO_JSON TO_JSONB UNNEST UPPER_INC UPPER_INF UUIDV4 UUIDV7
    CURRENT_DATABASE CURRENT_SCHEMA CURRENT_SETTING PG_ADVISORY_XACT_LOCK PG_BACKEND_PID
    PG_TRY_ADVISORY_XACT_LOCK RECORD_ACCESS
    SIGN_IN_AT_TENANT
    """.split()  # noqa: SIM905  # a line for each word would be read by nobody
)
# Longer ones are inserts of many rows, each with a text of its own.
_LONGEST_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Kind:
    """What the cursor has to know of a statement."""

    is_joinable: bool
    controls_transaction: bool
    is_harmless: bool
    writes: bool
    leaves_traces: bool
    """Something of it may outlive its transaction in the session, and so the present tenant."""


def kind_of(text: str) -> Kind:
    """The ORM writes the same texts again and again; they are looked at once."""
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _look_at(text)


def _look_at(text: str) -> Kind:
    verb = text.lstrip()[:12].upper()
    is_joinable = verb.startswith(_JOINABLE)
    return Kind(
        is_joinable=is_joinable,
        controls_transaction=verb.startswith(_TRANSACTION_CONTROL),
        is_harmless=verb.startswith(_HARMLESS),
        writes=verb.startswith(_WRITES),
        leaves_traces=not verb.startswith(_LEAVING_NOTHING) or _calls_or_lasts(text),
    )


def _calls_or_lasts(text: str) -> bool:
    if _LASTING.search(text) or _FOREIGN_CALL.search(text):
        return True
    # PostgreSQL folds ASCII only; Python would make an S of other letters too.
    names = _CALL.findall(text)
    return not all(name.isascii() and name.upper() in _TRACELESS for name in names)


@lru_cache(maxsize=1024)
def _remembered(text: str) -> Kind:
    return _look_at(text)
