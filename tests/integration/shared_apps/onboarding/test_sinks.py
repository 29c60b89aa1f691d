"""`sinks` in tenants.yaml: planned, applied, changed and taken away, in the audit database and told in the trail."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings as configured

from shared_apps.audit.sinks import records
from shared_apps.audit.sinks.records import Sink
from shared_apps.onboarding.declaration.problems import DeclarationError
from shared_apps.onboarding.declaration.reading import read_tenant
from shared_apps.tenants import selectors
from tests.chains import audit_administrator
from tests.installation import Installation
from tests.integration.shared_apps.onboarding.console import Console, tenant

WEBHOOK = "{url: 'https://siem.example/in', secret: {env: SIEM_SECRET}}"
SYSLOG = "{url: 'syslog+tls://logs.example', format: ocsf}"


@pytest.fixture(autouse=True)
def no_sinks_left(system: Installation) -> Iterator[None]:
    yield
    with audit_administrator() as admin:
        admin.execute("DELETE FROM audit.sink")


def _sinks(slug: str) -> dict[str, Sink]:
    with psycopg.connect(configured.AUDIT_AUDITOR_DATABASE_URL) as auditor:
        found = records.list_sinks(auditor, [selectors.get_tenant(slug=slug).id])
    return {sink.name: sink for sink in found}


def _told(system: Installation, slug: str) -> list[tuple[str, dict[str, Any]]]:
    system.relay()
    with psycopg.connect(configured.AUDIT_AUDITOR_DATABASE_URL) as auditor:
        return auditor.execute(
            "SELECT record_id, new_values FROM audit.entry WHERE tenant_id = %s"
            " AND entity_type = 'audit.sink' ORDER BY sequence",
            [selectors.get_tenant(slug=slug).id],
        ).fetchall()


def _declare(console: Console, initech: str | None, umbrella: str | None = None) -> None:
    console.declare(
        tenant("initech", **({"sinks": initech} if initech else {})),
        tenant("umbrella", **({"sinks": umbrella} if umbrella else {})),
    )


def test_sinks_are_made_changed_and_removed_as_declared(
    console: Console, system: Installation
) -> None:
    _declare(console, f"{{siem: {WEBHOOK}, logs: {SYSLOG}}}", f"{{siem: {SYSLOG}}}")
    planned = console.plan()
    applied = console.apply()
    assert "    sinks.siem: https://siem.example/in (jsonl)" in planned.out.splitlines()
    assert (applied.code, console.apply().out.splitlines()[0]) == (0, "no changes"), applied.err
    assert console.plan("--detailed-exitcode").code == 0
    assert {name: (s.destination, s.format, s.secret) for name, s in _sinks("initech").items()} == {
        "siem": ("https://siem.example/in", "jsonl", {"env": "SIEM_SECRET"}),
        "logs": ("syslog+tls://logs.example", "ocsf", None),
    }
    assert list(_sinks("umbrella")) == ["siem"]
    before = _sinks("initech")["siem"]

    (console.file.parent / "key").write_text("not to be shown")
    changed = "{url: 'https://siem.example/v2', secret: {file: key}}"
    _declare(console, f"{{siem: {changed}}}", None)
    planned = console.plan("--json")
    applied = console.apply()

    [change] = json.loads(planned.out)["changes"]
    assert (change["slug"], change["differences"]) == (
        "initech",
        [
            {"field": "sinks.logs", "old": "syslog+tls://logs.example", "new": "removed"},
            {"field": "sinks.siem.url", "old": "https://siem.example/in",
             "new": "https://siem.example/v2"},
            {"field": "sinks.siem.secret", "old": None, "new": "changed"},
        ],
    )  # fmt: skip
    assert "not to be shown" not in planned.out + applied.out + applied.err
    after = _sinks("initech")
    assert list(after) == ["siem"]
    assert (after["siem"].id, after["siem"].sequence) == (before.id, before.sequence)
    assert after["siem"].secret == {"file": str(console.file.parent / "key")}
    assert list(_sinks("umbrella")) == [
        "siem"
    ]  # nothing is declared of them any more, so they stay
    assert console.apply().out.splitlines()[0] == "no changes"

    _declare(console, "{}", None)
    assert "sinks.siem: https://siem.example/v2 → removed" in console.plan().out
    console.apply()
    assert (_sinks("initech"), list(_sinks("umbrella"))) == ({}, ["siem"])
    assert [(name, new.get("action") or new["destination"]) for name, new in _told(system, "initech")] == [
        ("logs", "syslog+tls://logs.example"), ("siem", "https://siem.example/in"), ("logs", "remove"),
        ("siem", "https://siem.example/v2"), ("siem", "remove"),
    ]  # fmt: skip
    assert [name for name, _ in _told(system, "umbrella")] == ["siem"]


def test_one_that_failures_disabled_is_tried_at_its_new_address(console: Console) -> None:
    _declare(console, f"{{siem: {WEBHOOK}, logs: {SYSLOG}}}")
    console.apply()
    with audit_administrator() as admin:
        admin.execute(
            "UPDATE audit.sink SET disabled_at = now(), failures = CASE name WHEN 'siem' THEN 20 ELSE 0 END"
        )
    _declare(console, "{siem: {url: 'https://new.example', secret: {env: A}},"
                      " logs: {url: 'syslog+tls://new.example'}}")  # fmt: skip
    console.apply()

    found = _sinks("initech")
    assert (found["siem"].disabled_at, found["siem"].failures) == (None, 0)
    assert found["logs"].disabled_at is not None  # by somebody, not by its failures


@pytest.mark.parametrize(
    ("sinks", "said"),
    [
        ("{siem: {url: 'https://siem.example'}}", "sinks.siem.url: a webhook is signed: it needs a secret"),
        ("{siem: {url: 'syslog://h'}}", "sinks.siem.url: the destination must begin with https"),
        ("{siem: {url: 'https://u:p@h', secret: {env: A}}}",
         "sinks.siem.url: the destination holds a user or a password; secrets are referred to"),
        ("{siem: {url: 'syslog+tls://h', secret: {env: A}}}", "sinks.siem.url: syslog knows no secret"),
        ("{siem: {url: 'https://h', secret: hunter2-and-more}}",
         "sinks.siem.secret: must be {env: NAME} or {file: PATH}; a secret is never written down here"),
        ("{siem: {url: 'https://h', secret: {value: hunter2-and-more}}}",
         "sinks.siem.secret: must be {env: NAME} or {file: PATH}; a secret is never written down here"),
        ("{SIEM: {url: 'syslog+tls://h'}}", "sinks.SIEM: must be a name of 1 to 40 lower-case letters"),
        ("{siem: {}}", "sinks.siem: needs the key url"),
        ("{siem: {url: 'syslog+tls://h', format: csv}}", "sinks.siem.format: must be jsonl or ocsf"),
        ("[siem]", "sinks: must be a mapping"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_line(console: Console, sinks: str, said: str) -> None:
    _declare(console, sinks)

    refused = console.apply()

    assert refused.code == 1
    assert f"tenants.yaml:3: tenants[0].{said}" in refused.err
    assert "hunter2" not in refused.err + refused.out
    assert "initech" not in console.run("list").out


def test_over_the_network_nobody_declares_a_sink() -> None:
    declared = {
        "slug": "initech", "name": "I", "domains": ["initech.localhost"], "admins": ["a@initech.example"],
        "sinks": {"siem": {"url": "https://10.0.0.1/", "secret": {"env": "TENANT_SECRET_X"}}},
    }  # fmt: skip
    with pytest.raises(DeclarationError) as refused:
        read_tenant(declared, is_remote=True)

    [problem] = refused.value.problems
    assert (problem.path, problem.text) == (
        ("sinks",),
        "are declared in a file on the server, by manage.py tenant apply",
    )


def test_without_the_owners_login_nothing_changes(console: Console, settings: Any) -> None:
    settings.AUDIT_MIGRATION_DATABASE_URL = ""
    _declare(console, f"{{siem: {SYSLOG}}}")

    refused = console.apply()

    assert refused.code == 1
    assert "AUDIT_MIGRATION_DATABASE_URL is not set" in refused.err
    assert "initech" not in console.run("list").out


def test_an_audit_database_that_is_away_is_caught_up_by_the_next_apply(
    console: Console, settings: Any
) -> None:
    owner, auditor = settings.AUDIT_MIGRATION_DATABASE_URL, settings.AUDIT_AUDITOR_DATABASE_URL
    settings.AUDIT_MIGRATION_DATABASE_URL = "postgresql://nobody@127.0.0.1:9/none"
    _declare(console, f"{{siem: {SYSLOG}}}")

    failed = console.apply()
    settings.AUDIT_AUDITOR_DATABASE_URL = "postgresql://nobody@127.0.0.1:9/none"
    blind = console.plan()
    settings.AUDIT_MIGRATION_DATABASE_URL, settings.AUDIT_AUDITOR_DATABASE_URL = owner, auditor

    assert (failed.code, "initech: FAILED" in failed.out) == (1, True)
    assert (blind.code, "which knows the sinks, does not answer" in blind.err) == (1, True)
    assert _sinks("initech") == {}
    assert console.apply().code == 0
    assert list(_sinks("initech")) == ["siem"]
