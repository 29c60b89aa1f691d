"""The doctor knows spare schemas, and sees one that is open, broken or forgotten."""

import io
from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import roles
from shared_apps.fleet.services import find_breaches
from shared_apps.fleet.spares import claiming
from tests.spares import emptied_afterwards, fill, there_are

BREACHES = {
    "open to PUBLIC": ("GRANT USAGE ON SCHEMA {spare} TO PUBLIC", "PUBLIC has USAGE on its schema"),
    "open to a tenant": (
        "GRANT CREATE ON SCHEMA {spare} TO {acme}",
        "{acme} has CREATE on its schema",
    ),
    "open to the relay": (
        "GRANT USAGE ON SCHEMA {spare} TO {relay}",
        "{relay} has USAGE on its schema",
    ),
    "somebody else's": (
        "ALTER SCHEMA {spare} OWNER TO {app}",
        "its schema belongs to {app}",
    ),
    "the application is it": ("GRANT {role} TO {app}", "{app} has its role"),
    "it is a tenant": ("GRANT {acme} TO {role}", "its role is a member of {acme}"),
    "it signs in": ("ALTER ROLE {role} LOGIN", "its role may sign in"),
    "without schema": ("DROP SCHEMA {spare} CASCADE", "its schema is missing"),
    "without role": ("DROP OWNED BY {role};DROP ROLE {role}", "its role is missing"),
    "schema forgotten": (
        "DELETE FROM fleet_spareschema",
        "schema {spare}: belongs to no spare and no tenant",
    ),
    "role forgotten": (
        "DELETE FROM fleet_spareschema",
        "role {role}: belongs to no spare and no tenant",
    ),
}


@pytest.fixture
def admin(acme: TenantIdentity) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with (
        psycopg.connect(
            settings.ADMIN_DATABASE_URL, dbname=roles.database_name(), autocommit=True
        ) as connection,
        context.operator(),
        emptied_afterwards(),
    ):
        yield connection


@pytest.mark.parametrize(("breach", "said"), BREACHES.values(), ids=BREACHES.keys())
def test_it_is_found_and_the_remedy_helps(
    admin: psycopg.Connection[tuple[object, ...]], acme: TenantIdentity, breach: str, said: str
) -> None:
    (spare,) = fill(1).ready
    words = {
        "spare": spare.schema,
        "role": claiming.role_of(spare.schema),
        "acme": acme.role,
        "app": roles.application_login(),
        "relay": roles.relay_login(),
    }
    assert find_breaches() == []
    for statement in breach.split(";"):
        admin.execute(statement.format(**words))  # type: ignore[arg-type]  # a test's text

    findings = find_breaches()

    assert any(said.format(**words) in f"{found.subject}: {found.problem}" for found in findings), (
        findings
    )
    for found in findings:
        if found.remedy.startswith("manage.py "):
            call_command(*found.remedy.split()[1:], stdout=io.StringIO(), stderr=io.StringIO())
        else:
            admin.execute(found.remedy)  # type: ignore[arg-type]  # the doctor's
    assert find_breaches() == []
    assert there_are() == []


def test_a_role_that_cannot_be_dropped_does_not_stop_the_others(
    admin: psycopg.Connection[tuple[object, ...]],
) -> None:
    (stuck,) = fill(1).ready
    role = claiming.role_of(stuck.schema)
    for statement in ("DROP OWNED BY {}", "DROP ROLE {}", "CREATE ROLE {} SUPERUSER"):
        admin.execute(statement.format(role))  # type: ignore[arg-type]  # not the owner's any more

    filled = fill(1)

    assert len(filled.ready) == 1
    (problem,) = [spare.problem for spare in filled.useless]
    assert problem.startswith("cannot be dropped: ")
    (found,) = find_breaches()
    assert (found.subject, found.problem) == (f"spare {stuck.schema}", problem)
    admin.execute(f"DROP ROLE {role}")  # type: ignore[arg-type]  # what the problem says
    assert [spare.problem for spare in fill(1).spares] == [""]
