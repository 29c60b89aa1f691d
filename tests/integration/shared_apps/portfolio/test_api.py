"""What somebody sees of the tenants that operators granted them, and who hears of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared_apps.accounts import cross_tenant_roles
from shared_apps.accounts.choices import CrossTenantRole
from shared_apps.audit.selectors import EntryFilter, list_entries
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.installation import PASSWORD, Installation
from tests.people import Person, make_auditor

Reader = Callable[[Person], Api]
LISTS = ("portfolio/tenants/", "portfolio/invoices/", "portfolio/audit/")


def _tenants_of(response: Any) -> set[str]:
    assert response.status_code == 200, response.content
    return {row["tenant"] for row in response.json()["results"]}


@pytest.mark.parametrize("path", LISTS)
def test_each_list_shows_the_granted_tenants_and_no_other(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity,
    make_invoice: Callable[..., UUID], reader: Reader, path: str,
) -> None:  # fmt: skip
    for tenant in (acme, globex):
        make_invoice(tenant)
    system.relay()

    # Other tests leave entries of either tenant that are newer than today.
    assert _tenants_of(reader(make_auditor(acme)).get(path, page_size=100)) == {"acme"}
    assert _tenants_of(reader(make_auditor(globex)).get(path, page_size=100)) == {"globex"}
    assert _tenants_of(reader(make_auditor(acme, globex)).get(path, page_size=100)) == {
        "acme",
        "globex",
    }


def test_an_invoice_is_shown_as_its_tenant_shows_it(
    system: Installation, acme: TenantIdentity, make_invoice: Callable[..., UUID],
    api: Callable[..., Api], reader: Reader,
) -> None:  # fmt: skip
    invoice_id = make_invoice(acme, "100.50")
    editor = api(acme, "editor")
    assert editor.post(f"invoices/{invoice_id}/issue/").status_code == 200
    system.relay()

    (row,) = reader(make_auditor(acme)).get("portfolio/invoices/").json()["results"]

    own = editor.get(f"invoices/{invoice_id}/").json()
    assert row.pop("tenant") == "acme"
    assert row == {name: own[name] for name in row}
    assert row["status"] == "ISSUED"
    assert row["net"] == "100.50"


def test_invoices_are_filtered(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity,
    make_invoice: Callable[..., UUID], api: Callable[..., Api], reader: Reader,
) -> None:  # fmt: skip
    issued, _, _ = make_invoice(acme), make_invoice(acme), make_invoice(globex)
    api(acme, "editor").post(f"invoices/{issued}/issue/")
    system.relay()
    client = reader(make_auditor(acme, globex))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    def count(**query: str) -> int:
        return int(client.get("portfolio/invoices/", **query).json()["count"])

    assert count() == 3
    assert count(tenant="acme") == 2
    assert count(tenant="acme", status="ISSUED") == 1
    assert count(tenant="nobody") == 0
    assert count(to=tomorrow) == 3
    assert count(**{"from": tomorrow}) == 0
    assert client.get("portfolio/invoices/", colour="red").status_code == 400
    assert client.get("portfolio/tenants/", state="active").json()["count"] == 2
    assert client.get("portfolio/tenants/", state="suspended").json()["count"] == 0
    assert client.get("portfolio/tenants/", state="?").status_code == 400


def test_asking_for_a_tenant_that_was_not_granted_finds_nothing_and_leaves_no_entry(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity,
    make_invoice: Callable[..., UUID], reader: Reader,
) -> None:  # fmt: skip
    make_invoice(globex)
    system.relay()
    client = reader(make_auditor(acme))
    answers = [client.get(path, tenant="globex") for path in LISTS]
    assert [answer.json()["results"] for answer in answers] == [[], [], []]
    record = client.get(f"portfolio/audit/records/globex/invoicing.vendor/{acme.id}/")
    assert record.status_code == 404
    system.relay()
    for tenant in (acme, globex):
        for answer in (*answers, record):
            where = EntryFilter(request_id=answer["X-Request-ID"])
            assert list_entries(tenant_id=tenant.id, where=where, limit=10) == []


@pytest.mark.parametrize("path", LISTS)
def test_nobody_else_is_let_in(acme: TenantIdentity, path: str) -> None:
    stranger = Api(None)
    assert stranger.get(path).status_code == 401
    operator = Api(None)
    operator.sign_in("operator@example.com", PASSWORD)
    refused = operator.get(path)
    assert refused.status_code == 403
    assert refused["Content-Type"] == "application/problem+json"
    assert Api(acme, role="admin", password=PASSWORD).get(path).status_code == 404


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("is_operator_too", [False, True])
def test_whatever_writes_is_refused(
    acme: TenantIdentity, reader: Reader, path: str, method: str, is_operator_too: bool
) -> None:
    person = make_auditor(acme)
    if is_operator_too:
        with context.operator():
            from shared_apps.accounts.models import User

            User.objects.filter(id=person.id).update(is_operator=True)
    client = reader(person)
    response = getattr(client.http, method)(
        f"/api/v1/{path}", "{}", content_type="application/json",
        headers={"host": "localhost", **client.headers},
    )  # fmt: skip
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["error"] == "Insufficient permissions"


def test_a_grant_and_its_end_count_from_the_next_request_on(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, reader: Reader
) -> None:
    person = make_auditor(acme)
    client = reader(person)
    assert _tenants_of(client.get("portfolio/tenants/")) == {"acme"}

    cross_tenant_roles.grant_role(
        tenant_id=globex.id, user_id=person.id, role=CrossTenantRole.SUPPORT, by=None,
        at=datetime.now(UTC),
    )  # fmt: skip
    assert _tenants_of(client.get("portfolio/tenants/")) == {"acme", "globex"}

    cross_tenant_roles.revoke_role(
        tenant_id=acme.id, user_id=person.id, role=CrossTenantRole.AUDITOR
    )
    assert _tenants_of(client.get("portfolio/tenants/")) == {"globex"}

    cross_tenant_roles.revoke_role(
        tenant_id=globex.id, user_id=person.id, role=CrossTenantRole.SUPPORT
    )
    assert client.get("portfolio/tenants/").status_code == 403

    cross_tenant_roles.grant_role(
        tenant_id=acme.id, user_id=person.id, role=CrossTenantRole.AUDITOR, by=None,
        at=datetime.now(UTC),
    )  # fmt: skip
    assert _tenants_of(client.get("portfolio/tenants/")) == {"acme"}


def test_the_tenants_whose_rows_were_shown_find_it_in_their_trail(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity,
    make_invoice: Callable[..., UUID], api: Callable[..., Api], reader: Reader,
) -> None:  # fmt: skip
    make_invoice(acme)
    make_invoice(acme)
    system.relay()
    person = make_auditor(acme, globex)

    request_id = reader(person).get("portfolio/invoices/", status="DRAFT")["X-Request-ID"]
    system.relay()

    def entries(tenant: TenantIdentity) -> list[dict[str, Any]]:
        found = api(tenant, "admin").get("audit/entries/", request_id=request_id)
        return list(found.json()["results"])

    (entry,) = entries(acme)
    assert entry["entity_type"] == "portfolio.access"
    assert entry["operation"] == "CREATE"
    assert entry["modified_by_email"] == person.email
    assert entry["new_values"]["resource"] == "invoices"
    assert entry["new_values"]["rows"] == 2
    assert entry["new_values"]["query"] == {"status": "DRAFT"}
    assert entry["new_values"]["user_id"] == str(person.id)
    assert entries(globex) == [], "none of its rows was shown"


def test_pages_of_audit_entries_of_several_tenants_follow_without_gap_or_repetition(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity,
    make_invoice: Callable[..., UUID], reader: Reader,
) -> None:  # fmt: skip
    for _ in range(3):
        for tenant in (acme, globex):
            make_invoice(tenant)
    system.relay()
    client = reader(make_auditor(acme, globex))
    now = datetime.now(UTC).isoformat()
    query = {"to": now, "entity_type": "invoicing.invoice"}
    everything = client.get("portfolio/audit/", page_size=500, **query).json()["results"]
    assert {row["tenant"] for row in everything} == {"acme", "globex"}
    assert [row["created_at"] for row in everything] == sorted(
        (row["created_at"] for row in everything), reverse=True
    )

    page = client.get("portfolio/audit/", page_size=5, **query).json()
    seen = page["results"]
    while page["next"]:
        make_invoice(acme)  # what comes meanwhile belongs to pages that were read already
        system.relay()
        page = client.get(page["next"].split("localhost", 1)[1].lstrip(":0123456789")).json()
        seen += page["results"]

    assert [row["id"] for row in seen] == [row["id"] for row in everything]


@pytest.mark.parametrize(
    "cursor", ["x", "e30", "W10", "WyJ4IiwgIngiLCAxXQ", "%00", "W251bGwsbnVsbCxudWxsXQ"]
)
def test_a_cursor_of_ones_own_making_is_refused(
    acme: TenantIdentity, reader: Reader, cursor: str
) -> None:
    response = reader(make_auditor(acme)).get("portfolio/audit/", cursor=cursor)
    assert response.status_code == 400
    assert list(response.json()["details"]) == ["cursor"]


def test_without_the_audit_trail_nothing_is_shown(
    system: Installation, acme: TenantIdentity, make_invoice: Callable[..., UUID], reader: Reader
) -> None:
    """The record of the access cannot be written: the rows are not given out."""
    import psycopg
    from django.conf import settings

    make_invoice(acme)
    system.relay()
    client = reader(make_auditor(acme))
    name = settings.DATABASES["default"]["NAME"]
    app = settings.DATABASES["default"]["USER"]
    with psycopg.connect(settings.ADMIN_DATABASE_URL, dbname=name, autocommit=True) as admin:
        admin.execute(f"REVOKE EXECUTE ON FUNCTION record_access FROM {app}")
        try:
            refused = client.get("portfolio/invoices/")
            assert refused.status_code == 500
            assert b"Nordwind" not in refused.content
        finally:
            admin.execute(f"GRANT EXECUTE ON FUNCTION record_access TO {app}")
