"""Two tenants for one run of the laboratory, made and removed like any others."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from shared_apps.accounts import selectors as people
from shared_apps.accounts import services as accounts
from shared_apps.onboarding import services
from shared_apps.onboarding.laboratory import planting
from shared_apps.onboarding.laboratory.subjects import Administrator, Pair, Subject
from shared_apps.onboarding.services import TenantRequest


@contextmanager
def pair(*, domain_suffix: str, at: datetime) -> Iterator[Pair]:
    """Two planted tenants; gone afterwards, whatever happened. Their audit entries stay."""
    run = secrets.token_hex(3)
    made: list[Subject] = []
    try:
        for letter in "ab":
            subject = _make(f"leak-lab-{run}-{letter}", domain_suffix, at)
            made.append(subject)
            planting.plant(subject, at=at)
        yield Pair(*made)
    finally:
        for subject in made:
            services.discard_tenant(tenant_id=subject.identity.id)
            accounts.delete_person(user_id=subject.administrator.id)


def _make(slug: str, domain_suffix: str, at: datetime) -> Subject:
    host, password = f"{slug}.{domain_suffix}", secrets.token_urlsafe(24)
    email = f"admin@{slug}.invalid"
    tenant = services.create_tenant(
        request=TenantRequest(
            slug=slug, name=slug, domains=(host,), admin_email=email, admin_password=password
        ),
        at=at,
    )
    user = people.find_user_by_email(email=email)
    assert user is not None
    return Subject(
        identity=tenant.identity,
        host=host,
        marker=f"marker-{secrets.token_hex(8)}",
        administrator=Administrator(user.id, email, password),
    )
