"""Whoever reads a trail leaves an entry in it, or is shown nothing."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from psycopg import sql

from shared_apps.audit.choices import Access
from shared_apps.audit.selectors import Entry, EntryFilter, list_entries
from shared_apps.audit.services import record_access
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.installation import PASSWORD, Installation
from tests.people import make_auditor
from tests.trail import Change, append

ApiOf = Callable[..., Api]
NOON = datetime(2031, 6, 6, 12, tzinfo=UTC)


def _accesses(system: Installation, tenant: TenantIdentity, response: Any) -> list[Entry]:
    system.relay()
    where = EntryFilter(entity_type="audit.access", request_id=response["X-Request-ID"])
    return list_entries(tenant_id=tenant.id, where=where, limit=10)


def _values(entry: Entry) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(entry.new_values or "{}")
    assert values.pop("id") == entry.record_id
    assert values.pop("tenant_id") == str(entry.tenant_id)
    return values


@pytest.fixture
def entity(acme: TenantIdentity, globex: TenantIdentity) -> str:
    """Three entries of acme's and one of globex's."""
    name = f"shop.{uuid4().hex}"
    append(acme.id, [Change(at=NOON, entity=name, record_id=str(n % 2)) for n in range(3)])
    append(globex.id, [Change(at=NOON, entity=name)])
    return name


def test_each_way_of_reading_leaves_who_what_and_how_much(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, api: ApiOf, entity: str
) -> None:
    admin = api(acme, "admin")
    me = admin.tokens["user"]["id"]
    listed = admin.get("audit/entries/", entity_type=entity, page_size=2, operation="UPDATE")
    uid = listed.json()["results"][0]["id"]
    expected = [
        (listed, "entries", {"entity_type": entity, "operation": "UPDATE"}, 2),
        (admin.get("audit/entries/", entity_type=entity, record_id="?"), "entries",
         {"entity_type": entity, "record_id": "?"}, 0),
        (admin.get(f"audit/entries/{uid}/"), "entry", {"id": uid}, 1),
        (admin.get(f"audit/records/{entity}/0/", at=NOON.isoformat()), "record",
         {"entity_type": entity, "record_id": "0", "at": NOON.isoformat()}, 2),
    ]  # fmt: skip
    for response, resource, query, rows in expected:
        assert response.status_code == 200
        (access,) = _accesses(system, acme, response)
        assert (access.operation, access.modified_by, access.old_values) == ("CREATE", me, None)
        assert _values(access) == {
            "user_id": me, "resource": resource, "query": query, "rows": rows,
        }  # fmt: skip
        assert _accesses(system, globex, response) == []


def test_what_was_refused_or_not_there_was_not_read(
    system: Installation, acme: TenantIdentity, api: ApiOf, entity: str
) -> None:
    for response in (
        api(acme, "admin").get("audit/entries/", colour="red"),
        api(acme, "admin").get(f"audit/entries/{uuid4()}/"),
        api(acme, "admin").get(f"audit/records/{entity}/nothing/"),
        api(acme, "editor").get("audit/entries/"),
        api(acme).get("audit/entries/"),
    ):
        assert response.status_code in (400, 401, 403, 404)
        assert _accesses(system, acme, response) == []


def test_an_address_is_kept_as_the_person_whose_entries_were_shown(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, api: ApiOf
) -> None:
    """The trail cannot forget an address, and must not say that somebody is another tenant's."""
    admin = api(acme, "admin")
    append(acme.id, [Change(at=NOON, by=admin.tokens["user"]["id"])])
    for address, kept in (
        ("admin@acme.example", admin.tokens["user"]["id"]),
        ("admin@globex.example", "unknown person"),
        ("nobody@nowhere.example", "unknown person"),
    ):
        response = admin.get("audit/entries/", modified_by=address)
        (access,) = _accesses(system, acme, response)
        assert _values(access)["query"] == {"modified_by": kept}


def test_an_auditor_leaves_an_entry_with_each_tenant_that_was_read(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, entity: str
) -> None:
    person = make_auditor(acme, globex)
    auditor = Api(None)
    auditor.sign_in(person.email, person.password)

    everywhere = auditor.get("portfolio/audit/", entity_type=entity)
    nothing = auditor.get("portfolio/audit/", entity_type=entity, record_id="?", tenant="globex")
    record = auditor.get(f"portfolio/audit/records/acme/{entity}/0/")
    uid = record.json()["history"][0]["id"]
    one = auditor.get(f"portfolio/audit/{uid}/")

    def rows(response: Any) -> dict[str, int | None]:
        assert response.status_code == 200
        found: dict[str, int | None] = {}
        for tenant in (acme, globex):
            accesses = _accesses(system, tenant, response)
            assert all(access.modified_by == str(person.id) for access in accesses)
            assert len(accesses) <= 1
            found[tenant.slug] = _values(accesses[0])["rows"] if accesses else None
        return found

    assert rows(everywhere) == {"acme": 3, "globex": 1}
    assert rows(nothing) == {"acme": None, "globex": 0}
    assert rows(record) == {"acme": 2, "globex": None}
    assert rows(one) == {"acme": 1, "globex": None}


def test_what_cannot_be_recorded_is_not_shown(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, api: ApiOf, entity: str
) -> None:
    person = make_auditor(acme, globex)
    auditor = Api(None)
    auditor.sign_in(person.email, person.password)
    admin = api(acme, "admin")
    uid = admin.get("audit/entries/", entity_type=entity).json()["results"][0]["id"]
    with _unrecordable():
        for client, path in (
            (admin, f"audit/entries/?entity_type={entity}"),
            (admin, f"audit/entries/{uid}/"),
            (admin, f"audit/records/{entity}/0/"),
            (auditor, f"portfolio/audit/?entity_type={entity}"),
            (auditor, f"portfolio/audit/{uid}/"),
            (auditor, f"portfolio/audit/records/acme/{entity}/0/"),
        ):
            refused = client.get(f"/api/v1/{path}")
            assert refused.status_code == 500
            assert entity not in refused.content.decode().replace(refused.json()["instance"], "")
    assert admin.get(f"audit/entries/{uid}/").status_code == 200


@contextmanager
def _unrecordable() -> Iterator[None]:
    database = settings.DATABASES["default"]
    role = sql.Identifier(database["USER"])
    with psycopg.connect(
        settings.ADMIN_DATABASE_URL, dbname=database["NAME"], autocommit=True
    ) as admin:
        right = sql.SQL("EXECUTE ON FUNCTION public.record_access")
        admin.execute(sql.SQL("REVOKE {} FROM {}").format(right, role))
        try:
            yield
        finally:
            admin.execute(sql.SQL("GRANT {} TO {}").format(right, role))


def test_a_reading_is_not_taken_back_with_a_transaction(acme: TenantIdentity) -> None:
    with (
        context.operator(),
        attribution.acting(attribution.command("test")),
        transaction.atomic(),
        pytest.raises(RuntimeError),
    ):
        record_access(access=Access.AUDIT, resource="entries", shown={acme.id: 1}, query={})


CALL = "SELECT public.record_access(%s, 'entries', '{}', ARRAY[%s]::uuid[], ARRAY[1])"


def test_a_tenants_role_records_nothing_and_writes_no_outbox(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    outboxes = ("public", acme.schema, globex.schema)
    statements: list[tuple[str, list[Any]]] = [(CALL, ["audit.access", globex.id])]
    for schema in outboxes:
        statements.append((
            f"INSERT INTO {schema}.audit_outbox (table_name, operation, database_role)"
            " VALUES ('audit.access', 'CREATE', 'x')", [],
        ))  # fmt: skip
        statements.append((f"DELETE FROM {schema}.audit_outbox", []))
    with (
        context.tenant(acme),
        attribution.acting(attribution.Attribution(user_id=UUID(int=1))),
        connection.cursor() as cursor,
    ):
        for statement, parameters in statements:
            with pytest.raises(DatabaseError, match="permission denied"):
                cursor.execute(statement, parameters)


@pytest.mark.parametrize(
    ("entity", "who"),
    [
        ("invoicing.invoice", attribution.Attribution(user_id=UUID(int=1))),
        (None, attribution.Attribution(user_id=UUID(int=1))),
        ("audit.access", attribution.UNKNOWN),
        ("audit.access", attribution.Attribution(request_id="r")),
    ],
)
def test_the_function_writes_accesses_of_somebody_and_nothing_else(
    acme: TenantIdentity, entity: str | None, who: attribution.Attribution
) -> None:
    with (
        context.operator(),
        attribution.acting(who),
        connection.cursor() as cursor,
        pytest.raises(DatabaseError, match=r"records accesses only|access of nobody"),
    ):
        cursor.execute(CALL, [entity, acme.id])


def test_what_is_read_twice_is_recorded_twice(
    system: Installation, acme: TenantIdentity, api: ApiOf, entity: str
) -> None:
    """How often somebody looked is part of what the trail tells."""
    admin = Api(acme, role="admin", password=PASSWORD)
    first = admin.get("audit/entries/", entity_type=entity)
    second = admin.get("audit/entries/", entity_type=entity)
    assert len(_accesses(system, acme, first)) == len(_accesses(system, acme, second)) == 1


def test_an_export_on_the_command_line_leaves_who_and_what(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, entity: str, tmp_path: Path
) -> None:
    request = f"request-{uuid4().hex}"
    who = replace(attribution.command("audit"), request_id=request)
    with context.operator(), attribution.acting(who):
        call_command(
            "audit", "export", "--tenant", acme.slug, "--entity", entity,
            "-o", str(tmp_path / "trail"), stdout=StringIO(), stderr=StringIO(),
        )  # fmt: skip
    system.relay()
    where = EntryFilter(entity_type="audit.access", request_id=request)
    (access,) = list_entries(tenant_id=acme.id, where=where, limit=10)

    values = _values(access)
    assert (values["resource"], values["query"]) == (
        "export", {"format": "jsonl", "after": 0, "entity_type": entity},
    )  # fmt: skip
    assert values["rows"] >= 3
    assert json.loads(access.attribution)["system"] == who.system
    assert list_entries(tenant_id=globex.id, where=where, limit=10) == []
