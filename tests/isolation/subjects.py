"""The suite's tenants as subjects of the laboratory."""

import secrets
from datetime import UTC, datetime

from shared_apps.accounts import selectors as people
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding.laboratory import planting
from shared_apps.onboarding.laboratory.subjects import Administrator, Subject


def make_subject(tenant: TenantIdentity, password: str) -> Subject:
    """The tenant with marker rows and its administrator."""
    email = f"admin@{tenant.slug}.example"
    user = people.find_user_by_email(email=email)
    assert user is not None
    subject = Subject(
        identity=tenant,
        host=f"{tenant.slug}.localhost",
        marker=f"marker-{secrets.token_hex(6)}",
        administrator=Administrator(user.id, email, password),
    )
    planting.plant(subject, at=datetime.now(UTC))
    return subject
