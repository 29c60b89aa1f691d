"""Personal fields of the trail: sealed for each person, opened for readers, and gone with an erasure."""

import json
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections
from psycopg import sql

from shared_apps.audit import transfer, triggers
from shared_apps.audit.chain import verifying
from shared_apps.audit.choices import Access
from shared_apps.audit.sealing import destroying, keys
from shared_apps.audit.sealing.values import DataKey
from shared_apps.audit.sealing.wrapping import Subject
from shared_apps.audit.selectors import EntryFilter, list_entries
from shared_apps.audit.services import record_access
from shared_apps.audit.transfer import INSTALLATION
from shared_apps.core import attribution, context
from shared_apps.core.attribution import Attribution
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import roles
from shared_apps.onboarding.models import Erasure
from tenant_apps.invoicing.services import vendors
from tests.client import Api
from tests.installation import Installation
from tests.integration.shared_apps.onboarding.erasing import erase, make_vendor
from tests.people import make_person
from tests.waiting import wait_until

ERASED = {"erased": True}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def an_address() -> str:
    return f"max-{uuid.uuid4().hex[:12]}@partner.example"


def stored(tenant_id: UUID, record_id: UUID) -> list[dict[str, Any]]:
    """Entries as they stand in the audit database."""
    with psycopg.connect(settings.AUDIT_AUDITOR_DATABASE_URL) as auditor:
        rows = auditor.execute(
            "SELECT old_values, new_values, diff FROM audit.entry"
            " WHERE tenant_id = %s AND record_id = %s ORDER BY sequence",
            [tenant_id, str(record_id)],
        ).fetchall()
    return [{"old": old, "new": new, "diff": diff} for old, new, diff in rows]


_COUNTS = {"version", "updated_at"}


def history(tenant: TenantIdentity, record_id: UUID) -> list[dict[str, Any]]:
    """Differences as readers get them, the oldest first; without what counts the changes themselves."""
    where = EntryFilter(record_id=str(record_id))
    found = list_entries(tenant_id=tenant.id, where=where, limit=100)
    differences = [json.loads(entry.diff) for entry in reversed(found)]
    return [
        {name: value for name, value in diff.items() if name not in _COUNTS} for diff in differences
    ]


def change_email(tenant: TenantIdentity, vendor: UUID, email: str) -> None:
    with context.tenant(tenant):
        vendors.change_vendor(vendor_id=vendor, email=email)


def is_whole(*tenants: UUID) -> bool:
    found = verifying.verify(
        url=settings.AUDIT_AUDITOR_DATABASE_URL, tenants=list(tenants), jobs=1,
        report=lambda done, total: None,
    )  # fmt: skip
    return len(found) == len(tenants) and not any(verdict.problems for verdict in found)


def dump(url: str) -> bytes:
    """Everything that a superuser reads of a database, in text."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'"
            " AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
        ).fetchall()
        parts = []
        for (table,) in tables:
            with connection.cursor().copy(f"COPY {table} TO STDOUT") as copy:
                parts += [bytes(data) for data in copy]
    return b"".join(parts)


def superuser_url(alias: str) -> str:
    url, of = {
        "audit": (settings.AUDIT_ADMIN_DATABASE_URL, settings.AUDIT_DATABASE_URL),
        "application": (settings.ADMIN_DATABASE_URL, settings.RELAY_DATABASE_URL),
    }[alias]
    database = str(psycopg.conninfo.conninfo_to_dict(of)["dbname"])
    return psycopg.conninfo.make_conninfo(url, dbname=database)


def test_what_is_stored_is_sealed_and_what_is_read_is_open(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api]
) -> None:
    email, other = an_address(), an_address()
    vendor = make_vendor(acme, email, "Nordwind 10.50")
    change_email(acme, vendor, other)
    make_vendor(globex, email)
    system.relay()

    kept = stored(acme.id, vendor)

    assert email not in json.dumps(kept)
    assert other not in json.dumps(kept)
    created, changed = kept
    assert list(created["new"]["email"]) == ["sealed"]
    assert created["new"]["name"] == "Nordwind 10.50", "kept in the row, and so in the trail"
    assert changed["diff"].keys() - _COUNTS == {"email"}
    assert changed["diff"]["email"] == {
        "old": changed["old"]["email"], "new": changed["new"]["email"]
    }  # fmt: skip
    assert history(acme, vendor)[1] == {"email": {"old": email, "new": other}}
    shown = api(acme, "admin").get("audit/entries/", record_id=str(vendor)).json()["results"]
    assert [entry["new_values"]["email"] for entry in shown] == [other, email]
    record = api(acme, "admin").get(f"audit/records/invoicing.vendor/{vendor}/").json()
    assert record["values"]["email"] == other
    assert is_whole(acme.id, globex.id)


def test_an_erasure_makes_entries_unreadable_and_nobody_elses(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api]
) -> None:
    person = make_person(acme)
    other = an_address()
    own, neighbours = make_vendor(acme, person.email), make_vendor(acme, f"jo{person.email}")
    elsewhere = make_vendor(globex, person.email.upper())
    change_email(acme, neighbours, other)
    system.relay()
    planned = erase(person.email, "--plan", "--json").json
    assert _unreadable(planned) == 3, "two vendors and the account"

    done = erase(person.email, "--yes", "--json")

    assert done.code == 0, done.err
    assert _unreadable(done.json) == 3
    # What the erasure itself changed is moved only now.
    system.relay()
    assert history(acme, own) == [
        {**history(acme, own)[0], "email": {"old": None, "new": ERASED}},
        {"email": {"old": ERASED, "new": ""}},
    ]
    assert history(globex, elsewhere)[1] == {"email": {"old": ERASED, "new": ""}}
    assert history(acme, neighbours)[1] == {
        "email": {"old": f"jo{person.email}", "new": other}
    }  # fmt: skip
    account = list_entries(
        tenant_id=INSTALLATION, where=EntryFilter(record_id=str(person.id)), limit=10
    )
    assert [json.loads(entry.new_values or "")["email"] for entry in account][-1] == ERASED
    assert person.email not in str(account).replace(f"jo{person.email}", "")
    for url in map(superuser_url, ("audit", "application")):
        found = dump(url).lower().replace(f"jo{person.email}".encode(), b"")
        assert person.email.encode() not in found
    entries = api(acme, "admin").get("audit/entries/", page_size=500).content.decode().lower()
    assert person.email not in entries.replace(f"jo{person.email}", "")
    record = api(acme, "admin").get(f"audit/records/invoicing.vendor/{own}/").json()
    assert record["history"][-1]["new_values"]["email"] == ERASED
    assert is_whole(INSTALLATION, acme.id, globex.id)


def _unreadable(report: dict[str, Any]) -> int:
    return sum(line["rows"] for line in report["installation"] if line["action"] == "unreadable")


def test_what_waits_in_the_outbox_when_somebody_is_erased_is_never_readable(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    """The relay stands still; without the note of who was erased it would make them a new key."""
    email = an_address()
    vendor = make_vendor(acme, email)

    assert erase(email, "--yes").code == 0
    later = make_vendor(globex, email)
    system.relay()

    created, emptied = history(acme, vendor)
    assert created["email"] == {"old": None, "new": ERASED}
    assert emptied == {"email": {"old": ERASED, "new": ""}}
    assert email.encode() not in dump(superuser_url("audit"))
    assert history(globex, later)[0]["email"] == {"old": None, "new": email}, "somebody new"


def test_somebody_whom_only_the_trail_remembers_is_erased(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    email = an_address()
    vendor = make_vendor(acme, email)
    with context.tenant(acme):
        vendors.delete_vendor(vendor_id=vendor)
    system.relay()
    assert history(acme, vendor)[1]["email"] == {"old": email, "new": None}

    done = erase(email, "--yes", "--json")

    assert done.code == 0, done.err
    assert _unreadable(done.json) == 2
    assert [diff["email"] for diff in history(acme, vendor)] == [
        {"old": None, "new": ERASED}, {"old": ERASED, "new": None}
    ]  # fmt: skip
    assert erase(email, "--yes", "--json").json["state"] == "erased", "nothing left to do"


def test_keys_that_cannot_be_destroyed_leave_the_erasure_to_be_finished(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    email = an_address()
    vendor = make_vendor(acme, email)
    system.relay()
    application = sql.Identifier(roles.application_login())
    with system.owner() as owner:
        owner.execute(
            sql.SQL("REVOKE DELETE ON audit_sealing_personkey FROM {}").format(application)
        )
    try:
        ended = erase(email, "--yes")
        assert ended.code == 1
        assert "permission denied" in ended.err
        assert "The same command goes on" in ended.err
        assert history(acme, vendor)[0]["email"]["new"] == email
    finally:
        with system.owner() as owner:
            owner.execute(
                sql.SQL("GRANT DELETE ON audit_sealing_personkey TO {}").format(application)
            )

    done = erase(email, "--yes", "--json")

    assert (done.code, done.json["state"], _unreadable(done.json)) == (0, "erased", 1)
    assert history(acme, vendor)[0]["email"]["new"] == ERASED


def test_the_address_of_who_did_it_goes_with_the_account(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    person = make_person(acme)
    client = Api(acme)
    client.sign_in(person.email, person.password)
    vendor = UUID(client.post("vendors/", {"name": "Nordwind"}).json()["id"])
    system.relay()

    def who() -> dict[str, Any]:
        where = EntryFilter(record_id=str(vendor))
        (entry,) = list_entries(tenant_id=acme.id, where=where, limit=10)
        found: dict[str, Any] = json.loads(entry.attribution)
        return found

    assert who()["ip"] == "127.0.0.1"
    with psycopg.connect(settings.AUDIT_AUDITOR_DATABASE_URL) as auditor:
        row = auditor.execute(
            "SELECT attribution FROM audit.entry WHERE record_id = %s", [str(vendor)]
        ).fetchone()
    assert row is not None
    assert list(row[0]["ip"]) == ["sealed"]
    assert erase(person.email, "--yes").code == 0
    assert who()["ip"] == ERASED
    assert who()["user_id"] == str(person.id), "an id that tells nothing"


def read_portfolio(tenant: TenantIdentity, query: dict[str, Any]) -> None:
    with attribution.acting(Attribution(user_id=UUID(int=7))):
        record_access(access=Access.PORTFOLIO, resource="tests", shown={tenant.id: 1}, query=query)


def test_a_text_that_mentions_an_address_is_sealed_for_whom_it_mentions(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    email, other = an_address(), an_address()
    for asked in (email.upper(), f"{email} or {other}", other):
        read_portfolio(acme, {"q": asked})
    system.relay()

    def asked_for() -> list[Any]:
        where = EntryFilter(entity_type="portfolio.access", operation="CREATE")
        entries = list_entries(tenant_id=acme.id, where=where, limit=3)
        return [json.loads(entry.new_values or "")["query"] for entry in reversed(entries)]

    assert asked_for() == [{"q": email.upper()}, {"q": f"{email} or {other}"}, {"q": other}]
    assert erase(email, "--yes").code == 0
    assert asked_for() == [ERASED, ERASED, {"q": other}]
    assert email.encode() not in dump(superuser_url("audit")).lower()


def test_nobody_has_a_value_of_another_trail_opened(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    """Globex copies what is sealed in acme's trail into a field of its own."""
    email = an_address()
    vendor = make_vendor(acme, email)
    system.relay()
    token = stored(acme.id, vendor)[0]["new"]["email"]
    read_portfolio(globex, token)
    system.relay()
    where = EntryFilter(entity_type="portfolio.access", operation="CREATE")

    (entry,) = list_entries(tenant_id=globex.id, where=where, limit=1)

    assert json.loads(entry.new_values or "")["query"] == token
    assert json.loads(entry.diff)["query"] == {"old": None, "new": token}
    assert history(acme, vendor)[0]["email"]["new"] == email


def test_a_key_is_there_before_what_it_seals(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    """The relay dies between the two commits: the entry is stored, the source is rolled back."""
    email = an_address()
    vendor = make_vendor(acme, email)
    with (
        psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True) as source,
        psycopg.connect(settings.AUDIT_DATABASE_URL, autocommit=True) as target,
    ):
        source.execute("SET timezone = 'UTC'")
        with source.transaction(force_rollback=True):
            transfer.move_batch(
                source=source, target=target, entities=triggers.entity_names(),
                claims=[transfer.Claim(acme.schema, acme.id, 100)],
            )  # fmt: skip
    assert history(acme, vendor)[0]["email"]["new"] == email

    system.relay()

    assert len(history(acme, vendor)) == 1
    assert destroying.count_entries(destroying.subjects_of(user_id=None, address=email)) == 1
    assert is_whole(acme.id)


def test_whoever_destroys_a_key_waits_for_the_relay_that_uses_it(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    (subject,) = destroying.subjects_of(user_id=None, address=an_address())
    with (
        psycopg.connect(settings.RELAY_DATABASE_URL) as first,
        psycopg.connect(settings.RELAY_DATABASE_URL) as second,
    ):
        used = keys.use(first, acme.id, {subject: 1})
        elsewhere = keys.use(first, globex.id, {subject: 2})
        assert used[subject] != elsewhere[subject], "one for each trail"
        done: list[int] = []
        thread = threading.Thread(
            target=in_thread(lambda: done.append(destroying.destroy([subject])))
        )
        thread.start()
        wait_until(lambda: waits_for_a_lock("SELECT"), "the destruction waits")
        assert done == []
        first.commit()
        thread.join(20)
        assert done == [3]
        fresh = keys.use(second, acme.id, {subject: 1})
        assert fresh[subject].id != used[subject].id


def test_two_relays_make_a_person_one_key(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    subjects = [
        destroying.subjects_of(user_id=None, address=an_address())[0] for _ in range(200)
    ]  # fmt: skip
    barrier = threading.Barrier(2)

    def use(order: list[Subject]) -> dict[Subject, DataKey]:
        with psycopg.connect(settings.RELAY_DATABASE_URL) as source:
            barrier.wait()
            return keys.use(source, acme.id, dict.fromkeys(order, 1))

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(use, (subjects, subjects[::-1]))

    assert one == two
    assert destroying.destroy(subjects) == 400


def test_a_wrong_secret_stops_the_relay_and_loses_nothing(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, settings: Any,
    api: Callable[..., Api],
) -> None:  # fmt: skip
    email = an_address()
    vendor = make_vendor(acme, email)
    system.relay()
    change_email(acme, vendor, an_address())
    right = settings.AUDIT_SEALING_KEYS
    (id,) = right
    for wrong, said in (
        ({"new-1": "n" * 32}, f"AUDIT_SEALING_KEYS lacks '{id}'"),
        ({id: "n" * 32}, f"AUDIT_SEALING_KEYS has another secret for '{id}'"),
    ):
        settings.AUDIT_SEALING_KEYS = wrong
        with pytest.raises(CommandError, match=said):
            call_command("audit", "relay", "--once")
        assert len(stored(acme.id, vendor)) == 1
        refused = erase(email, "--yes")
        assert (refused.code, said in refused.err) == (1, True), refused.err
        answer = api(acme, "admin").get("audit/entries/", record_id=str(vendor))
        assert (answer.status_code, answer.json()["code"]) == (503, "audit.sealing_key")
        with context.operator():
            assert [said in finding.problem for finding in keys.find_unusable()] == [True]
            assert not Erasure.objects.exists()

    settings.AUDIT_SEALING_KEYS = right
    assert system.relay() > 0
    assert history(acme, vendor)[1]["email"]["old"] == email


def test_secrets_are_changed_and_the_former_one_is_done_with(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, settings: Any
) -> None:
    email, other = an_address(), an_address()
    vendor, second = make_vendor(acme, email), make_vendor(globex, other)
    system.relay()
    right = settings.AUDIT_SEALING_KEYS
    (former,) = right
    try:
        settings.AUDIT_SEALING_KEYS = {"new-1": "n" * 40, **right}
        assert erase(other, "--yes").code == 0
        change_email(acme, vendor, email.upper())
        out = StringIO()
        call_command("audit", "rewrap", "--json", stdout=out)
        assert json.loads(out.getvalue())["retired"] == [former]
        settings.AUDIT_SEALING_KEYS = {"new-1": "n" * 40}
        system.relay()
        assert [diff["email"]["new"] for diff in history(acme, vendor)] == [email, email.upper()]
        assert history(globex, second)[1] == {"email": {"old": ERASED, "new": ""}}
        assert destroying.count_entries(destroying.subjects_of(user_id=None, address=email)) == 2
        assert erase(email, "--yes").code == 0
        assert history(acme, vendor)[0]["email"]["new"] == ERASED
    finally:
        settings.AUDIT_SEALING_KEYS = {**right, "new-1": "n" * 40}
        out = StringIO()
        call_command("audit", "rewrap", stdout=out)
        assert "new-1: still needed; let the relay move" in out.getvalue()
        system.relay()
        out = StringIO()
        call_command("audit", "rewrap", stdout=out)
        assert out.getvalue() == (
            "0 keys wrapped anew\nnew-1: no longer needed; take it out of AUDIT_SEALING_KEYS\n"
        )
        settings.AUDIT_SEALING_KEYS = right
    assert is_whole(acme.id, globex.id)


def in_thread(work: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    return run


def waits_for_a_lock(statement: str) -> bool:
    with psycopg.connect(superuser_url("application")) as admin:
        row = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND query LIKE %s AND datname = current_database()",
            [f"%{statement}%audit_sealing_personkey%FOR UPDATE%"],
        ).fetchone()
    return row is not None and row[0] == 1
