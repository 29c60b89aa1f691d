"""What is declared of a tenant's sign-in, compared with what it is and brought about."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from shared_apps.accounts import selectors as people
from shared_apps.authn import configuring, recognition
from shared_apps.authn.configuring import Present, Wanted
from shared_apps.core.references import Reference, SecretMissingError, Secrets
from shared_apps.onboarding.declaration import reading
from shared_apps.onboarding.declaration.problems import DeclarationError, Problem
from shared_apps.onboarding.declaration.specs import ADMIN_PASSWORD, DATABASE, AuthSpec
from shared_apps.tenants import selectors as tenants
from shared_apps.tenants.choices import UNFINISHED, TenantState
from shared_apps.tenants.errors import StateTransitionError
from shared_apps.tenants.models import Tenant

PLACEHOLDER = {"env": "TENANT_SECRET_OF_AN_ARCHIVE"}
NEW, CHANGED = "new", "changed"
"""All that a plan says of a secret; and of one that is not declared any more:"""
THERE, TAKEN_AWAY = "there", "taken away"


def stored_references(spec: AuthSpec) -> dict[str, Reference]:
    """The secrets that are kept with the tenant; the first password of an administrator is not."""
    return {name: found for name, found in spec.secrets.items() if name != ADMIN_PASSWORD}


def wanted(spec: AuthSpec, secrets: Secrets) -> Wanted:
    """Raises SecretMissingError."""
    return Wanted(
        kind=spec.backend,
        options=spec.options,
        secrets={name: secrets.read(found) for name, found in stored_references(spec).items()},
        break_glass=tuple(sorted(spec.break_glass)),
    )


def configure(*, tenant_id: UUID, spec: AuthSpec, secrets: Secrets, at: datetime) -> None:
    """Raises SecretMissingError, UnknownBackendError: nothing was changed."""
    if not spec.is_kept:
        configuring.configure(tenant_id=tenant_id, wanted=wanted(spec, secrets), at=at)


def differences(
    spec: AuthSpec, present: Present, secrets: Secrets | None
) -> Iterable[tuple[str, Any, Any]]:
    """Field, present and declared value; without secrets at hand theirs are not compared."""
    if spec.is_kept:
        return
    if present.kind != spec.backend:
        yield "auth.backend", present.kind, spec.backend
    old = present.options
    for name in sorted({*old, *spec.options}):
        if old.get(name) != spec.options.get(name):
            yield f"auth.options.{name}", old.get(name), spec.options.get(name)
    if spec.backend != DATABASE:
        yield from _of_secrets(spec, present, secrets)
        before, after = list(present.break_glass), sorted(spec.break_glass)
        if before != after:
            yield "auth.break_glass", before or None, after or None


def _of_secrets(
    spec: AuthSpec, present: Present, secrets: Secrets | None
) -> Iterable[tuple[str, Any, Any]]:
    # Which there are is known without their values.
    known = present.secrets
    declared = stored_references(spec)
    for name in sorted({*(known or {}), *declared}):
        if known is not None and name not in known:
            yield f"auth.secrets.{name}", None, NEW
        elif name not in declared:
            yield f"auth.secrets.{name}", THERE, TAKEN_AWAY
        elif _is_another(declared[name], known[name] if known else None, secrets):
            yield f"auth.secrets.{name}", None, CHANGED


def _is_another(declared: Reference, present: str | None, secrets: Secrets | None) -> bool:
    """Not known, so no, without secrets at hand or where the reference leads nowhere."""
    try:
        return secrets is not None and secrets.read(declared) != present
    except SecretMissingError:
        return False  # an apply that needs it says so


def describe(*, tenant_id: UUID) -> dict[str, Any]:
    """As it would be declared, but for the secrets, of which nothing is told."""
    present = configuring.list_present(tenant_ids=[tenant_id])[tenant_id]
    if present.kind == DATABASE:
        return {"backend": DATABASE}
    told: dict[str, Any] = {"backend": present.kind, "options": present.options}
    if present.break_glass:
        told["break_glass"] = list(present.break_glass)
    return told


def of_archive(declared: Any) -> AuthSpec:
    """What an archive says, which holds no secrets.

    Raises:
        DeclarationError: it cannot be, or there is no such backend here.
    """
    kind = configuring.list_kinds().get(declared.get("backend"))
    needed = {names[0]: PLACEHOLDER for names in kind.required_secrets} if kind else {}
    admins = declared.get("break_glass", [])
    spec = reading.read_remote_auth({**declared, "secrets": needed}, admins=admins)
    if not configuring.is_available(spec.backend):
        text = f"{spec.backend} is not available in this version"
        raise DeclarationError([Problem(("auth", "backend"), None, text)])
    return replace(spec, secrets={})


def restore(
    *, tenant_id: UUID, spec: AuthSpec, secrets: Mapping[str, str] | None, at: datetime
) -> bool:
    """Whether people can sign in by it: not before it has the secrets that it needs."""
    configuring.configure(
        tenant_id=tenant_id,
        wanted=Wanted(spec.backend, spec.options, secrets or {}, tuple(sorted(spec.break_glass))),
        at=at,
    )
    needed = configuring.list_kinds()[spec.backend].required_secrets
    return all(set(names) & set(secrets or {}) for names in needed)


def links_members(spec: AuthSpec) -> bool:
    """Whether its directory may be bound to people whom the tenant has invited."""
    return recognition.would_link_members(spec.backend, spec.options)


def change_remotely(*, slug: str, declared: Any, secrets: Secrets, at: datetime) -> dict[str, Any]:
    """Bring about what an operator sent; returned as it is described then.

    Raises:
        TenantNotFoundError: no such tenant.
        DeclarationError, SecretMissingError, UnknownBackendError: nothing was changed.
    """
    tenant = tenants.get_tenant(slug=slug)
    spec = reading.read_remote_auth(declared, admins=admins_of(tenant))
    return change(tenant=tenant, spec=spec, secrets=secrets, at=at)


def change(*, tenant: Tenant, spec: AuthSpec, secrets: Secrets, at: datetime) -> dict[str, Any]:
    """Raises SecretMissingError, UnknownBackendError, StateTransitionError: nothing was changed."""
    if tenant.state in UNFINISHED or tenant.state == TenantState.DELETED:
        raise StateTransitionError(
            f"A tenant that is {tenant.state} cannot be given a sign-in.", state=tenant.state
        )
    configure(tenant_id=tenant.id, spec=spec, secrets=secrets, at=at)
    return describe(tenant_id=tenant.id)


def admins_of(tenant: Tenant) -> set[str]:
    return people.list_admin_emails(tenant_ids=[tenant.id]).get(tenant.id, set())
