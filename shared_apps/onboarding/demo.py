"""Two tenants with people, for a look around and for the tests."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared_apps.accounts import cross_tenant_roles
from shared_apps.accounts import selectors as people
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import CrossTenantRole, Role
from shared_apps.accounts.errors import PersonExistsError, RoleExistsError
from shared_apps.onboarding.services import TenantRequest, create_tenant
from shared_apps.tenants import selectors as tenants
from shared_apps.tenants.errors import TenantExistsError
from shared_apps.tenants.models import Tenant

SLUGS = ("acme", "globex")
_OPERATOR = "operator@example.com"
_AUDITOR = "auditor@example.com"

Report = Callable[[str], None]


@dataclass
class Passwords:
    """What was chosen before, by address; new ones are generated."""

    known: dict[str, str]

    def of(self, email: str) -> str:
        return self.known.setdefault(email, secrets.token_urlsafe(15))


def describe(passwords: Passwords) -> dict[str, Any]:
    """The demo's people with their passwords, in the shape of the accounts file."""
    return {
        "operator": {"email": _OPERATOR, "password": passwords.of(_OPERATOR)},
        "tenants": [
            {
                "slug": slug,
                "users": [
                    {"email": email, "password": passwords.of(email), "role": role.value}
                    for email, role in _people_of(slug)
                ],
            }
            for slug in SLUGS
        ],
        "cross_tenant": [
            {
                "email": _AUDITOR,
                "password": passwords.of(_AUDITOR),
                "role": CrossTenantRole.AUDITOR.value,
                "tenants": list(SLUGS),
            }
        ],
    }


def set_up(*, passwords: Passwords, at: datetime, report: Report) -> None:
    """Make what is missing of the demo's tenants and people."""
    made = [_ensure_tenant(slug, passwords, at, report) for slug in SLUGS]
    _ensure_operator(passwords, at)
    _ensure_auditor(made, passwords, at)


def admin_email(slug: str) -> str:
    return f"{Role.ADMIN.value}@{slug}.example"


def _people_of(slug: str) -> list[tuple[str, Role]]:
    return [
        (f"{role.value}@{slug}.example", role) for role in (Role.ADMIN, Role.EDITOR, Role.VIEWER)
    ]


def _ensure_tenant(slug: str, passwords: Passwords, at: datetime, report: Report) -> Tenant:
    admin = admin_email(slug)
    request = TenantRequest(
        slug=slug,
        name=f"{slug.capitalize()} GmbH",
        domains=(f"{slug}.localhost",),
        admin_email=admin,
        admin_password=passwords.of(admin),
    )
    try:
        tenant = create_tenant(request=request, at=at)
        report(f"tenant {slug} made")
    except TenantExistsError:
        tenant = tenants.get_tenant(slug=slug)
    for email, role in _people_of(slug):
        try:
            accounts.create_person(
                tenant_id=tenant.id, email=email, name="", role=role,
                password=passwords.of(email), by=None, at=at,
            )  # fmt: skip
        except RoleExistsError:
            continue
    return tenant


def _ensure_operator(passwords: Passwords, at: datetime) -> None:
    if people.find_user_by_email(email=_OPERATOR) is None:
        accounts.create_operator(email=_OPERATOR, name="", password=passwords.of(_OPERATOR), at=at)


def _ensure_auditor(made: list[Tenant], passwords: Passwords, at: datetime) -> None:
    try:
        accounts.create_managed_person(
            email=_AUDITOR, name="", password=passwords.of(_AUDITOR), at=at
        )
    except PersonExistsError:
        pass
    auditor = people.find_user_by_email(email=_AUDITOR)
    assert auditor is not None
    for tenant in made:
        try:
            cross_tenant_roles.grant_role(
                tenant_id=tenant.id,
                user_id=auditor.id,
                role=CrossTenantRole.AUDITOR,
                by=None,
                at=at,
            )
        except RoleExistsError:
            continue
