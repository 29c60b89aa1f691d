"""`audit sink`: what operators say, what it refuses, who may do it, and its entry in the trail."""

import json
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.conf import settings as configured
from django.core.management import CommandError, call_command

from shared_apps.core.context import TenantIdentity
from tests.installation import Installation
from tests.sinks import Sinks


def _list(*arguments: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("audit", "sink", "list", "--json", *arguments, stdout=out)
    return list(json.loads(out.getvalue())["sinks"])


def test_from_adding_to_removing(
    sinks: Sinks, system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    said = sinks.command("add", "siem", acme.id, "https://siem.example/x", "--secret-env", "KEY")
    sinks.command("add", "siem", globex.id, "syslog+tls://logs.example", "--after", "0")
    assert "siem begins after entry" in said

    (ours,) = _list("--tenant", "acme")
    assert (ours["tenant"], ours["name"], ours["state"]) == ("acme", "siem", "working")
    assert (ours["secret"], ours["waiting"]) == ({"env": "KEY"}, 0)
    (theirs,) = _list("--tenant", "globex")
    assert theirs["waiting"] == theirs["head"] > 0

    sinks.command("disable", "siem", acme.id)
    assert [s["state"] for s in _list()] == ["disabled", "working"]
    sinks.command("enable", "siem", acme.id, "--after", "1")
    assert _list("--tenant", "acme")[0]["sequence"] == 1
    sinks.command("remove", "siem", acme.id)
    assert [s["tenant"] for s in _list()] == ["globex"]
    system.relay()
    assert _actions(acme) == ["siem", "disable", "enable", "remove"]
    assert _actions(globex) == ["siem"]


def _actions(tenant: TenantIdentity) -> list[str]:
    with psycopg.connect(configured.AUDIT_AUDITOR_DATABASE_URL) as auditor:
        rows = auditor.execute(
            "SELECT new_values FROM audit.entry WHERE tenant_id = %s AND entity_type = 'audit.sink'"
            " ORDER BY sequence",
            [tenant.id],
        ).fetchall()
    return [values.get("action") or values["name"] for (values,) in rows]


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("siem", ["https://siem.example"], "a webhook is signed"),
        ("siem", ["http://siem.example", "--secret-env", "KEY"], "must begin with https"),
        ("siem", ["https://u:p@siem.example", "--secret-env", "KEY"], "a user or a password"),
        ("siem", ["https://siem.example", "--secret-file", "relative"], "begins with /"),
        ("siem", ["syslog+tcp://logs.example", "--secret-env", "KEY"], "knows no secret"),
        ("SIEM", ["syslog+tcp://logs.example"], "is no name"),
        ("siem", ["syslog+tcp://logs.example", "--after", "11"], "the last entry is 10"),
        ("siem", ["syslog+tcp://logs.example", "--after", "-1"], "must be 0 or more"),
        ("taken", ["syslog+tcp://logs.example"], "there is a sink taken already"),
    ],
)  # fmt: skip
def test_what_is_wrong_changes_nothing(
    sinks: Sinks, name: str, arguments: list[str], reason: str
) -> None:
    sinks.add(sinks.one, "taken", "syslog+tcp://logs.example")

    with pytest.raises(CommandError, match=reason):
        sinks.command("add", name, sinks.one, *arguments)

    assert [sink["name"] for sink in _list()] == ["taken"]


@pytest.mark.parametrize("action", ["remove", "enable", "disable"])
def test_what_is_not_there(sinks: Sinks, action: str) -> None:
    sinks.add(sinks.other, "siem", "syslog+tcp://logs.example")

    with pytest.raises(CommandError, match="there is no sink siem"):
        sinks.command(action, "siem", sinks.one)


@pytest.mark.parametrize(
    ("login", "statement"),
    [
        ("AUDIT_DATABASE_URL", "SELECT * FROM audit.sink"),
        ("AUDIT_READER_DATABASE_URL", "SELECT * FROM audit.sink"),
        ("AUDIT_DATABASE_URL", "SELECT audit.sink_delivered(gen_random_uuid(), 0, 1)"),
        ("AUDIT_READER_DATABASE_URL", "SELECT audit.sink_delivered(gen_random_uuid(), 0, 1)"),
        ("AUDIT_READER_DATABASE_URL", "SELECT audit.sink_failed(gen_random_uuid(), 0, '', '1 s', 1)"),
        ("AUDIT_AUDITOR_DATABASE_URL", "UPDATE audit.sink SET destination = 'https://evil.example'"),
        ("AUDIT_AUDITOR_DATABASE_URL", "DELETE FROM audit.sink"),
    ],
)  # fmt: skip
def test_nobody_else_may(sinks: Sinks, login: str, statement: str) -> None:
    with (
        psycopg.connect(getattr(configured, login)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)  # type: ignore[arg-type]


@pytest.mark.parametrize(("start", "end"), [(4, 3), (4, 4), (3, 9), (4, 11)])
def test_a_sink_is_moved_only_forward_and_never_past_the_end(
    sinks: Sinks, start: int, end: int
) -> None:
    sink = sinks.add(sinks.one, "siem", "syslog+tcp://logs.example", after=4)
    with psycopg.connect(configured.AUDIT_AUDITOR_DATABASE_URL) as auditor:
        row = auditor.execute(
            "SELECT audit.sink_delivered(%s, %s, %s)", [sink.id, start, end]
        ).fetchone()

    assert row == (False,)
    assert sinks.get(sinks.one, "siem").sequence == 4
