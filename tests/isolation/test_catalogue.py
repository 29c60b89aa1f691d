"""Every table that there is, asked as acme and as a person with a grant of acme, from the login of psql."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from psycopg import errors, sql

from shared_apps.accounts import selectors as people
from shared_apps.core.context import TenantIdentity
from tests.installation import Installation
from tests.people import Person, make_auditor


@pytest.fixture
def auditor(acme: TenantIdentity) -> Person:
    return make_auditor(acme)


@pytest.fixture
def login(acme: TenantIdentity) -> Iterator[psycopg.Connection[Any]]:
    """psql, as it were."""
    database = settings.DATABASES["default"]
    with psycopg.connect(
        host=database["HOST"], port=database["PORT"], dbname=database["NAME"],
        user=database["USER"], password=database["PASSWORD"], autocommit=True,
    ) as session:  # fmt: skip
        yield session


@pytest.fixture
def filled(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, auditor: Person
) -> None:
    """Rows of both tenants in their schemas and in the shared tables, among them what the relay gathers."""
    from shared_apps.core import context
    from tenant_apps.invoicing.services import vendors

    for tenant in (acme, globex):
        with context.tenant(tenant):
            vendors.create_vendor(name=f"Vendor of {tenant.slug}", created_by=auditor.id)
    system.relay()


def _relations(login: psycopg.Connection[Any], *, but: str = "") -> list[tuple[str, str, str]]:
    """Schema, name and a column of everything that can be read from, but in one schema."""
    login.execute("RESET ROLE")
    return login.execute(
        """
        SELECT n.nspname, c.relname, (SELECT attname FROM pg_attribute a
            WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attidentity = '' ORDER BY attnum LIMIT 1)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
          AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname NOT IN ('information_schema', %s)
        ORDER BY 1, 2
        """,
        [but],
    ).fetchall()


def _become(login: psycopg.Connection[Any], role: str) -> None:
    login.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))


def _rows(login: psycopg.Connection[Any], statement: sql.Composed) -> list[str] | None:
    """What it gives; None when it is refused."""
    try:
        return [row[0] for row in login.execute(statement).fetchall()]
    except errors.InsufficientPrivilege:
        return None


def _reads(relation: sql.Identifier) -> sql.Composed:
    return sql.SQL("SELECT to_jsonb(r)::text FROM {} r").format(relation)


def _writes(relation: sql.Identifier, column: sql.Identifier) -> list[sql.Composed]:
    return [
        sql.SQL(statement).format(relation=relation, column=column)
        for statement in (
            "INSERT INTO {relation} DEFAULT VALUES RETURNING '1'",
            "INSERT INTO {relation} OVERRIDING SYSTEM VALUE SELECT * FROM {relation} RETURNING '1'",
            "UPDATE {relation} SET {column} = {column} RETURNING '1'",
            "UPDATE {relation} SET {column} = DEFAULT RETURNING '1'",
            "DELETE FROM {relation} RETURNING '1'",
            "TRUNCATE {relation}",
        )
    ]


def test_a_tenants_role_reads_and_writes_nothing_of_another(
    login: psycopg.Connection[Any], acme: TenantIdentity, globex: TenantIdentity, filled: None
) -> None:
    relations = _relations(login, but=acme.schema)
    schemas = {schema for schema, _, _ in relations}
    assert schemas == {"public", globex.schema}
    assert len(relations) > 20
    readable = set()
    _become(login, acme.role)
    for schema, name, column in relations:
        relation = sql.Identifier(schema, name)
        rows = _rows(login, _reads(relation))
        if rows is not None:
            readable.add(f"{schema}.{name}")
            assert not [row for row in rows if str(globex.id) in row or globex.slug in row]
        for statement in _writes(relation, sql.Identifier(column)):
            assert not _rows(login, statement), statement.as_string(login)
    assert readable == set(), "rights are granted one by one"


def test_a_persons_role_reads_what_was_granted_and_writes_nothing(
    login: psycopg.Connection[Any], acme: TenantIdentity, globex: TenantIdentity, filled: None,
    auditor: Person,
) -> None:  # fmt: skip
    scope = people.find_cross_tenant_scope(user_id=auditor.id)
    assert scope is not None
    relations = _relations(login)
    readable = set()
    _become(login, scope.role)
    for schema, name, column in relations:
        relation = sql.Identifier(schema, name)
        rows = _rows(login, _reads(relation))
        if rows is not None:
            readable.add(f"{schema}.{name}")
            assert not [row for row in rows if str(globex.id) in row or globex.slug in row]
        for statement in _writes(relation, sql.Identifier(column)):
            assert _rows(login, statement) is None, statement.as_string(login)
    assert readable == {"public.portfolio_invoice", "public.portfolio_vendor"}
    assert login.execute("SELECT slug FROM tenants_tenant").fetchall() == [(acme.slug,)]


def test_a_right_granted_by_mistake_still_shows_nothing_of_another(
    login: psycopg.Connection[Any], acme: TenantIdentity, globex: TenantIdentity, filled: None
) -> None:
    """The second line: row-level security stands where a right was given away."""
    tables = [name for schema, name, _ in _relations(login) if schema == "public"]
    django = {"django_migrations", "django_content_type", "auth_permission", "auth_group",
              "auth_group_permissions"}  # fmt: skip
    database = settings.DATABASES["default"]["NAME"]
    with psycopg.connect(settings.ADMIN_DATABASE_URL, dbname=database, autocommit=True) as admin:
        admin.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}").format(
            sql.Identifier(acme.role)
        ))  # fmt: skip
        try:
            _become(login, acme.role)
            for name in set(tables) - django:
                rows = _rows(login, _reads(sql.Identifier("public", name)))
                assert rows is not None
                assert not [row for row in rows if str(globex.id) in row or globex.slug in row]
                deleted = sql.SQL("DELETE FROM {} WHERE false").format(sql.Identifier(name))
                login.execute(deleted)
        finally:
            admin.execute(sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(
                sql.Identifier(acme.role)
            ))  # fmt: skip


def test_a_tenant_does_not_see_what_others_are_asking(
    login: psycopg.Connection[Any], acme: TenantIdentity
) -> None:
    """pg_stat_activity hides the statements of the application's own login from a tenant's role."""
    database = settings.DATABASES["default"]
    with psycopg.connect(
        host=database["HOST"], port=database["PORT"], dbname=database["NAME"],
        user=database["USER"], password=database["PASSWORD"], autocommit=True,
    ) as other:  # fmt: skip
        other.execute("SELECT 'a secret of globex'")
        _become(login, acme.role)
        seen = login.execute("SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        assert not [row for row in seen.fetchall() if "secret" in (row[0] or "")]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM public.own_tenant('{globex}') id WHERE id IS NOT NULL",
        "SELECT public.granted_tenants('{person_role}')",
        "SELECT set_config('role', '{globex}', false)",
        "SELECT public.ensure_person_role('{person}')",
        "SELECT public.drop_person_role('{person}')",
    ],
)
def test_functions_do_not_answer_for_another(
    login: psycopg.Connection[Any], acme: TenantIdentity, globex: TenantIdentity,
    auditor: Person, statement: str,
) -> None:  # fmt: skip
    """All but the second are refused or empty; that one is SET ROLE, which the login may (threat model)."""
    scope = people.find_cross_tenant_scope(user_id=auditor.id)
    assert scope is not None
    _become(login, acme.role)
    text = statement.format(globex=globex.role, person=auditor.id, person_role=scope.role)
    rows = _rows(login, sql.SQL(text).format())  # type: ignore[arg-type]
    if "set_config" in statement:
        assert rows == [globex.role]
    else:
        assert not rows


def test_who_is_signed_in_is_asked_by_the_product_alone(
    login: psycopg.Connection[Any], acme: TenantIdentity, auditor: Person
) -> None:
    """With the rights of whoever asks, so it opens nothing to them either."""
    function = "public.sign_in_at_tenant(uuid, uuid, uuid)"
    scope = people.find_cross_tenant_scope(user_id=auditor.id)
    assert scope is not None
    for role, may in ((None, True), (acme.role, False), (scope.role, False)):
        if role is not None:
            _become(login, role)
        asked = login.execute("SELECT has_function_privilege(%s, 'EXECUTE')", [function])
        assert asked.fetchone() == (may,), role
        login.execute("RESET ROLE")
    definition = login.execute(
        "SELECT prosecdef FROM pg_proc WHERE oid = %s::regprocedure", [function]
    )
    assert definition.fetchone() == (False,)


def test_the_login_makes_roles_of_people_with_grants_only(
    login: psycopg.Connection[Any], auditor: Person
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        login.execute("SELECT public.ensure_person_role(%s)", [UUID(int=7)])
    with pytest.raises(errors.InsufficientPrivilege):
        login.execute("SELECT public.drop_person_role(%s)", [auditor.id])
    made: Callable[..., Any] = login.execute
    assert made("SELECT public.ensure_person_role(%s)", [auditor.id]).fetchone() is not None
