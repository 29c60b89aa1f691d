"""What is declared of the server that a tenant's mails leave by, compared with what it has and brought about."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from shared_apps.core.references import SecretMissingError, Secrets
from shared_apps.mail import configuring
from shared_apps.mail.configuring import MailServer, Present
from shared_apps.onboarding.declaration.specs import MailSpec
from shared_apps.onboarding.sign_in import CHANGED, NEW, PLACEHOLDER, TAKEN_AWAY, THERE


def configure(*, tenant_id: UUID, spec: MailSpec, secrets: Secrets, at: datetime) -> None:
    """Raises SecretMissingError: nothing was changed."""
    if spec.is_kept:
        return
    configuring.configure(
        tenant_id=tenant_id,
        server=spec.server,
        password=_password(spec, secrets),
        at=at,
    )


def differences(
    spec: MailSpec, present: Present | None, secrets: Secrets | None
) -> Iterable[tuple[str, Any, Any]]:
    """Field, present and declared value; without secrets at hand the password is not compared."""
    if spec.is_kept:
        return
    old = _options(present.server if present else None)
    new = _options(spec.server)
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"mail.{name}", old.get(name), new.get(name)
    is_there = present is not None and present.server.user != ""
    if is_there != (spec.password is not None):
        told = (THERE, TAKEN_AWAY) if is_there else (None, NEW)
        yield "mail.secrets.password", *told
        return
    if present is None or secrets is None:
        return
    try:
        if _password(spec, secrets) != present.password:
            yield "mail.secrets.password", None, CHANGED
    except SecretMissingError:
        return  # an apply that needs it says so


def of_archive(declared: Any) -> Any:
    """What an archive says, which holds no password, as it would be declared."""
    if not isinstance(declared, dict) or "user" not in declared:
        return declared
    return {**declared, "secrets": {"password": PLACEHOLDER}}


def restore(*, tenant_id: UUID, spec: MailSpec, password: str | None, at: datetime) -> bool:
    """Whether its mails leave as they did: not before the password is known, if there is one."""
    if spec.server is not None and spec.password is not None and not password:
        return False
    configuring.configure(tenant_id=tenant_id, server=spec.server, password=password or "", at=at)
    return True


def describe(present: Present) -> dict[str, Any]:
    """As it would be declared, but for the password, of which nothing is told."""
    return _options(present.server)


def _options(server: MailServer | None) -> dict[str, Any]:
    return {name: value for name, value in asdict(server).items() if value} if server else {}


def _password(spec: MailSpec, secrets: Secrets) -> str:
    return secrets.read(spec.password) if spec.password else ""
