"""Which role may do what in which schema, as SQL that can be run again and again.

A tenant's role has its own schema and no other tenant's; in the shared one only what a table's model
declares for all tenants (fleet/row_security.py). The
application's login has the shared tables and may become any tenant's role. The relay empties
outboxes. None of them owns a table or may define one.
"""

from collections.abc import Sequence

from psycopg import sql

from shared_apps.fleet.catalogue.relations import Relations
from shared_apps.fleet.roles import application_login, relay_login

_OUTBOX = "audit_outbox"
_HISTORY = "django_migrations"


# FOR UPDATE SKIP LOCKED asks for the right to update one column.
_RELAY = (
    "GRANT USAGE ON SCHEMA {schema} TO {relay}",
    "GRANT SELECT, DELETE, UPDATE (id) ON {outbox} TO {relay}",
)
TENANT_SCHEMA = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
    "REVOKE ALL ON {outbox}, {history} FROM {role}",
    "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC",
    *_RELAY,
)


def tenant_schema(relations: Relations, role: str) -> list[sql.Composed]:
    """The rights of a tenant's role and of the relay in a tenant's schema."""
    return _format(TENANT_SCHEMA, relations, role)


def shared_schema(relations: Relations) -> list[sql.Composed]:
    """The rights of the application's login and of the relay in the shared schema."""
    return _format(
        [
            "GRANT USAGE ON SCHEMA {schema} TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
            "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
            "REVOKE ALL ON {outbox}, {history} FROM {role}",
            "GRANT SELECT ON {history} TO {role}",
            *_RELAY,
            "GRANT SELECT (id, schema_name) ON {schema}.tenants_tenant TO {relay}",
        ],
        relations,
        application_login(),
    )


def _format(statements: Sequence[str], relations: Relations, role: str) -> list[sql.Composed]:
    schema = relations.schema
    return [
        sql.SQL(named).format(
            schema=sql.Identifier(schema),
            role=sql.Identifier(role),
            relay=sql.Identifier(relay_login()),
            outbox=sql.Identifier(schema, _OUTBOX),
            history=sql.Identifier(schema, _HISTORY),
        )
        for named in map(relations.by_name, statements)
        if named
    ]
