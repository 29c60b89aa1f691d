"""Somebody to erase, with data everywhere, and `manage.py erase-person` in this process."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import UUID

from django.core.management import CommandError, call_command

from shared_apps.accounts import cross_tenant_roles
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import CrossTenantRole, Role
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing.services import vendors
from tests.client import Api
from tests.installation import PASSWORD, Installation
from tests.integration.shared_apps.onboarding.console import Ended

NAME = "Max Mustermann"


def erase(*arguments: str) -> Ended:
    out, err, code = StringIO(), StringIO(), 0
    with context.operator(), attribution.acting(attribution.command("erase-person")):
        try:
            call_command("erase-person", *arguments, stdout=out, stderr=err)
        except CommandError as error:
            err.write(str(error))
            code = error.returncode
    return Ended(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Everywhere:
    """Editor in acme, viewer in globex, auditor of both; signed in at all three hosts."""

    id: UUID
    email: str
    vendor: UUID
    """In acme; its address is the person's, in other spelling."""
    at_acme: Api
    at_globex: Api
    at_public: Api


def make_person_everywhere(acme: TenantIdentity, globex: TenantIdentity) -> Everywhere:
    email = f"max-{uuid.uuid4().hex[:8]}@example.com"
    at = datetime.now(UTC)
    user = accounts.create_managed_person(email=email, name=NAME, password=PASSWORD, at=at)
    for tenant, role in ((acme, Role.EDITOR), (globex, Role.VIEWER)):
        accounts.grant_role(tenant_id=tenant.id, user_id=user.id, role=role, by=None, at=at)
        cross_tenant_roles.grant_role(
            tenant_id=tenant.id, user_id=user.id, role=CrossTenantRole.AUDITOR, by=None, at=at
        )
    clients = [Api(acme), Api(globex), Api(None)]
    for client in clients:
        client.sign_in(email, PASSWORD)
    made = clients[0].post("vendors/", {"name": NAME, "email": email.upper()})
    assert made.status_code == 201, made.content
    return Everywhere(user.id, email, UUID(made.json()["id"]), *clients)


def make_vendor(tenant: TenantIdentity, email: str, name: str = "Nordwind") -> UUID:
    with context.tenant(tenant):
        return vendors.create_vendor(name=name, email=email, created_by=UUID(int=0)).id


def lines(part: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {(line["table"], line["action"]): line["rows"] for line in part["lines"]}


def everything_holding(system: Installation, needle: str) -> list[str]:
    """Tables of the application database, apart from outboxes, with a row that holds a text."""
    from psycopg import sql

    with system.owner() as owner:
        tables = owner.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND c.relname <> 'audit_outbox'"
            " AND (n.nspname = 'public' OR starts_with(n.nspname, 't_')) ORDER BY 1, 2"
        ).fetchall()
        return [
            f"{schema}.{table}"
            for schema, table in tables
            if owner.execute(
                sql.SQL("SELECT EXISTS (SELECT FROM {} t WHERE t::text ILIKE %s)").format(
                    sql.Identifier(schema, table)
                ),
                [f"%{needle}%"],
            ).fetchone() == (True,)
        ]  # fmt: skip
