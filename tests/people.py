"""People made for one test."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from shared_apps.accounts import cross_tenant_roles
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import CrossTenantRole
from shared_apps.core.context import TenantIdentity
from tests.installation import PASSWORD


@dataclass(frozen=True)
class Person:
    id: UUID
    email: str
    password: str = PASSWORD


def make_person(tenant: TenantIdentity, role: str = "editor") -> Person:
    email = f"{role}-{uuid.uuid4().hex[:8]}@{tenant.slug}.example"
    member = accounts.create_person(
        tenant_id=tenant.id, email=email, name="", role=role, password=PASSWORD,
        by=None, at=datetime.now(UTC),
    )  # fmt: skip
    return Person(id=member.user_id, email=email)


def make_auditor(*tenants: TenantIdentity, role: str = "auditor") -> Person:
    """Somebody whom operators created and granted these tenants."""
    email = f"{role}-{uuid.uuid4().hex[:8]}@example.com"
    at = datetime.now(UTC)
    user = accounts.create_managed_person(email=email, name="", password=PASSWORD, at=at)
    for tenant in tenants:
        cross_tenant_roles.grant_role(
            tenant_id=tenant.id, user_id=user.id, role=CrossTenantRole(role), by=None, at=at
        )
    return Person(id=user.id, email=email)


def add_role(person: Person, tenant: TenantIdentity, role: str) -> None:
    accounts.grant_role(
        tenant_id=tenant.id, user_id=person.id, role=role, by=None, at=datetime.now(UTC)
    )
