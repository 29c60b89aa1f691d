"""What a JSON Schema cannot say: names by the product's own rules, and what holds between tenants.

Values that do not fit the schema are passed over here; the schema's errors speak of them.
"""

import ssl
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings

from shared_apps.accounts.emails import validated_email
from shared_apps.accounts.errors import EmailError
from shared_apps.audit.errors import SinkError
from shared_apps.audit.sinks import declaring
from shared_apps.core.errors import AppError
from shared_apps.core.references import REMOTE_NAME, Reference
from shared_apps.core.text import has_unusable_characters
from shared_apps.onboarding.choices import SetupFlag
from shared_apps.onboarding.declaration.problems import Path
from shared_apps.tenants import names

Found = Iterator[tuple[Path, str]]
_ANY_ADDRESS = "nobody@example.com"


def examine_tenant(tenant: Any, path: Path, *, is_remote: bool) -> Found:
    """`is_remote`: it came over the network, not from somebody at the machine."""
    if not isinstance(tenant, dict):
        return
    yield from _slug(tenant.get("slug"), (*path, "slug"))
    yield from _name(tenant.get("name"), (*path, "name"))
    yield from _domains(tenant, path)
    yield from _people(tenant, path)
    yield from _setup(tenant, path)
    yield from _transport(tenant, path)
    yield from _mail(tenant.get("mail"), (*path, "mail"))
    yield from _lifetimes(tenant.get("limits"), (*path, "limits"))
    yield from _sinks(tenant.get("sinks"), (*path, "sinks"), is_remote=is_remote)
    if is_remote:
        yield from _remote_secrets(tenant, path)


def examine_all(tenants: Any) -> Found:
    """No two tenants with one slug, and none with another's domain."""
    if not isinstance(tenants, list):
        return
    slugs: dict[str, int] = {}
    domains: dict[str, tuple[int, str]] = {}
    for number, tenant in enumerate(tenants):
        if not isinstance(tenant, dict):
            continue
        slug = tenant.get("slug")
        if isinstance(slug, str) and slugs.setdefault(slug, number) != number:
            yield (
                ("tenants", number, "slug"),
                f"{slug} is declared already, as tenants[{slugs[slug]}]; keep one",
            )
        for place, domain in enumerate(_texts(tenant.get("domains"))):
            host = _canonical(domain)
            first, owner = domains.setdefault(host, (number, str(slug)))
            if first != number:
                yield (
                    ("tenants", number, "domains", place),
                    f"{host} is declared for {owner} already; a domain leads to one tenant",
                )


def _slug(slug: Any, path: Path) -> Found:
    # A slug of another shape is the schema's business, but for the newline that ends its pattern.
    if not isinstance(slug, str) or not names.SLUG.fullmatch(slug.removesuffix("\n")):
        return
    try:
        names.validate_slug(slug)
        names.role_of(names.schema_of(slug), database=settings.DATABASES["default"]["NAME"])
    except AppError as error:
        yield path, f"{error.text.rstrip('.')}; choose another"


def _name(name: Any, path: Path) -> Found:
    if isinstance(name, str) and name and (not name.strip() or has_unusable_characters(name)):
        yield path, "must be readable text"


def _domains(tenant: dict[Any, Any], path: Path) -> Found:
    seen: set[str] = set()
    for place, domain in enumerate(_texts(tenant.get("domains"))):
        where = (*path, "domains", place)
        try:
            host = names.canonical_host(domain)
        except AppError as error:
            yield where, f"{error.text.rstrip('.')}; write it without scheme, port and path"
            continue
        if host == settings.PUBLIC_HOST:
            yield where, "this is the public host, where operators sign in; choose another"
        if host in seen:
            yield where, "this domain is in the list already"
        seen.add(host)


def _people(tenant: dict[Any, Any], path: Path) -> Found:
    admins: list[str] = []
    for place, address in enumerate(_texts(tenant.get("admins"))):
        where = (*path, "admins", place)
        try:
            email = validated_email(address)
        except EmailError as error:
            yield where, error.text.rstrip(".")
            continue
        if email in admins:
            yield where, "this address is in the list already"
        admins.append(email)
    auth = tenant.get("auth")
    for place, address in enumerate(
        _texts(auth.get("break_glass") if isinstance(auth, dict) else 0)
    ):
        where = (*path, "auth", "break_glass", place)
        try:
            if validated_email(address) not in admins:
                yield where, "must be one of the tenant's admins"
        except EmailError as error:
            yield where, error.text.rstrip(".")


def _setup(tenant: dict[Any, Any], path: Path) -> Found:
    for place, text in enumerate(_texts(tenant.get("setup"))):
        is_known = text in SetupFlag.values
        if is_known and SetupFlag(text).is_for_development and _is_production():
            yield (*path, "setup", place), "is not for production"


def _transport(tenant: dict[Any, Any], path: Path) -> Found:
    auth = tenant.get("auth")
    options = auth.get("options") if isinstance(auth, dict) else None
    if not isinstance(options, dict) or options.get("start_tls") is True:
        return
    url = options.get("url")
    if any(text.startswith("ldap://") for text in ([url] if isinstance(url, str) else _texts(url))):
        yield (*path, "auth", "options", "url"), "ldap:// needs start_tls: true; or write ldaps://"


def _mail(mail: Any, path: Path) -> Found:
    if not isinstance(mail, dict):
        return
    try:
        validated_email(str(mail.get("sender", _ANY_ADDRESS)))
    except EmailError as error:
        yield (*path, "sender"), error.text.rstrip(".")
    has_password = isinstance(mail.get("secrets"), dict) and "password" in mail["secrets"]
    if ("user" in mail) != has_password:
        yield path, "needs both user and secrets.password, or neither"
    authorities = mail.get("ca_certificate")
    if isinstance(authorities, str):
        try:
            ssl.create_default_context(cadata=authorities)
        except (ssl.SSLError, ValueError):
            yield (*path, "ca_certificate"), "holds no certificate; it is PEM text"


def _lifetimes(limits: Any, path: Path) -> Found:
    allowed = {
        "access_token_minutes": settings.ACCESS_TOKEN_LIFETIME // timedelta(minutes=1),
        "refresh_token_days": settings.REFRESH_TOKEN_LIFETIME // timedelta(days=1),
        "max_login_hours": settings.MAX_LOGIN_LIFETIME // timedelta(hours=1),
    }
    for name, longest in allowed.items():
        value = limits.get(name) if isinstance(limits, dict) else None
        if isinstance(value, int) and value > longest:
            yield (*path, name), f"must not be more than {longest}, which this installation allows"


def _sinks(sinks: Any, path: Path, *, is_remote: bool) -> Found:
    if sinks is not None and is_remote:
        # They are the audit database's owner's business, whose login serves no requests.
        yield path, "are declared in a file on the server, by manage.py tenant apply"
        return
    for name, sink in (sinks if isinstance(sinks, dict) else {}).items():
        url = sink.get("url") if isinstance(sink, dict) else None
        if not isinstance(url, str):
            continue
        secret = sink.get("secret")
        try:
            reference = Reference.of(secret) if isinstance(secret, dict) else None
            declaring.require_possible(url, reference)
        except SinkError as error:
            yield (*path, name, "url"), error.text


def _is_production() -> bool:
    return bool(settings.ENVIRONMENT_NAME == "production")


def _remote_secrets(tenant: dict[Any, Any], path: Path) -> Found:
    for part in ("auth", "mail"):
        declared = tenant.get(part)
        secrets = declared.get("secrets") if isinstance(declared, dict) else None
        for name, reference in (secrets if isinstance(secrets, dict) else {}).items():
            variable = reference.get("env") if isinstance(reference, dict) else None
            if not isinstance(variable, str) or not REMOTE_NAME.fullmatch(variable):
                yield (
                    (*path, part, "secrets", name),
                    "must be {env: TENANT_SECRET_…}; other references are for files on the server",
                )


def _canonical(domain: str) -> str:
    try:
        return names.canonical_host(domain)
    except AppError:
        return domain


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
