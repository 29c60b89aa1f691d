"""From a change to an entry that the tenant can read, and to what nobody can do to it."""

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest
from django.conf import settings

from shared_apps.audit.images import difference
from shared_apps.audit.relay import Relay
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.installation import Installation


def _change_the_viewers_role(api: Callable[..., Api], tenant: TenantIdentity, role: str) -> str:
    admin = api(tenant, "admin")
    people = admin.get("users/").json()["results"]
    viewer = next(person for person in people if person["email"].startswith("viewer@"))
    response = admin.patch(f"users/{viewer['id']}/role/", {"role": role})
    assert response.status_code == 200, response.content
    return str(response["X-Request-ID"])


def test_a_change_is_attributed_and_readable_by_its_own_tenant_only(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api]
) -> None:
    request_id = _change_the_viewers_role(api, acme, "editor")
    _change_the_viewers_role(api, acme, "viewer")
    system.relay()

    found = api(acme, "admin").get("audit/entries/", request_id=request_id).json()["results"]

    assert len(found) == 1
    entry = found[0]
    assert entry["entity_type"] == "accounts.usertenantrole"
    assert entry["operation"] == "UPDATE"
    assert entry["modified_by_email"] == "admin@acme.example"
    assert entry["diff"] == {"role": {"old": "viewer", "new": "editor"}}
    assert entry["tenant"] == "acme"
    assert entry["completed_at"] >= entry["created_at"]
    assert api(globex, "admin").get("audit/entries/", request_id=request_id).json()["results"] == []
    assert api(globex, "admin").get(f"audit/entries/{entry['id']}/").status_code == 404


def test_pages_follow_each_other_without_gap_or_repetition(
    system: Installation, acme: TenantIdentity, api: Callable[..., Api]
) -> None:
    system.relay()
    start = datetime.now(UTC)
    for role in ("editor", "viewer", "editor", "viewer"):
        _change_the_viewers_role(api, acme, role)
    system.relay()
    client = api(acme, "admin")
    meanwhile = {"from": start.isoformat(), "to": datetime.now(UTC).isoformat()}
    listed = client.get("audit/entries/", page_size=500, **meanwhile).json()["results"]
    everything = [entry["sequence"] for entry in listed]
    times = [entry["created_at"] for entry in listed]

    page = client.get("audit/entries/", page_size=3, **meanwhile).json()
    seen = [entry["sequence"] for entry in page["results"]]
    while page["next"]:
        page = client.get(page["next"].split("localhost", 1)[1].lstrip(":0123456789")).json()
        seen += [entry["sequence"] for entry in page["results"]]

    assert seen == everything
    assert times == sorted(times, reverse=True)
    assert sorted(everything) == list(range(min(everything), max(everything) + 1))
    assert len(everything) >= 4


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_only_administrators_read_it(
    acme: TenantIdentity, api: Callable[..., Api], role: str
) -> None:
    assert api(acme, role).get("audit/entries/").status_code == 403


@pytest.mark.parametrize(
    "query", [{"operation": "READ"}, {"from": "yesterday"}, {"colour": "red"}, {"page_size": 0}]
)
def test_a_wrong_filter_is_refused(
    acme: TenantIdentity, api: Callable[..., Api], query: dict[str, str]
) -> None:
    response = api(acme, "admin").get("audit/entries/", **query)
    assert response.status_code == 400
    assert list(query) == list(response.json()["details"])


def test_the_reader_sees_nothing_without_a_tenant(
    system: Installation, acme: TenantIdentity
) -> None:
    system.relay()
    with psycopg.connect(settings.AUDIT_READER_DATABASE_URL, autocommit=True) as reader:
        assert reader.execute("SELECT count(*) FROM audit.entry").fetchone() == (0,)
        reader.execute("SET freehold.tenant = '" + str(acme.id) + "'")
        assert reader.execute("SELECT DISTINCT tenant_id FROM audit.entry").fetchall() == [
            (acme.id,)
        ]


def test_the_chain_holds(system: Installation, acme: TenantIdentity) -> None:
    system.relay()
    with psycopg.connect(settings.AUDIT_AUDITOR_DATABASE_URL, autocommit=True) as auditor:
        broken = auditor.execute(
            "SELECT tenant_id, (e).sequence FROM (SELECT e, tenant_id, hash, lag(hash, 1, sha256(convert_to(tenant_id::text, 'UTF8')))"
            " OVER (PARTITION BY tenant_id ORDER BY sequence) AS previous FROM audit.entry e) c"
            " WHERE hash <> audit.entry_hash(previous, e) AND tenant_id = ANY(%s)",
            # Others' trails were pruned or spoilt by tests of that.
            [[tenant.id for tenant in system.tenants.values()]],
        ).fetchall()
    assert broken == []


def test_a_batch_that_is_sent_twice_is_stored_once(
    system: Installation, acme: TenantIdentity, api: Callable[..., Api]
) -> None:
    """The relay dies after the audit database has committed and before the source has."""
    system.relay()
    _change_the_viewers_role(api, acme, "editor")
    _change_the_viewers_role(api, acme, "viewer")
    with psycopg.connect(
        settings.ADMIN_DATABASE_URL, dbname=settings.DATABASES["default"]["NAME"]
    ) as admin:
        admin.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM public.audit_outbox")
        admin.commit()
        moved = system.relay()
        admin.execute("INSERT INTO public.audit_outbox OVERRIDING SYSTEM VALUE SELECT * FROM kept")
        admin.commit()

    before = _count(acme)
    again = system.relay()

    assert moved == again
    assert moved > 0
    assert _count(acme) == before


def test_while_the_audit_database_is_away_nothing_is_lost(
    system: Installation, acme: TenantIdentity, api: Callable[..., Api]
) -> None:
    request_id = _change_the_viewers_role(api, acme, "editor")
    _change_the_viewers_role(api, acme, "viewer")
    away = Relay(
        source_url=settings.RELAY_DATABASE_URL,
        target_url="postgresql://nobody@127.0.0.1:9/none?connect_timeout=1",
        redis_url=settings.REDIS_URL,
    )
    with pytest.raises(psycopg.OperationalError):
        away.run_once()

    system.relay()

    assert (
        len(api(acme, "admin").get("audit/entries/", request_id=request_id).json()["results"]) == 1
    )


def test_difference_keeps_decimals_exact() -> None:
    assert difference('{"amount": 10.50, "n": 1}', '{"amount": 10.5, "n": 1}') == {
        "amount": {"old": "10.50", "new": "10.5"}
    }


def _count(tenant: TenantIdentity) -> int:
    with psycopg.connect(settings.AUDIT_AUDITOR_DATABASE_URL) as auditor:
        row = auditor.execute(
            "SELECT count(*) FROM audit.entry WHERE tenant_id = %s", [tenant.id]
        ).fetchone()
    assert row
    return int(row[0])
