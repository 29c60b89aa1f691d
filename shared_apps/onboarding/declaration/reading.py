"""A declaration as a whole: everything that is wrong with it at once, or the tenants it declares."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any, Final

from shared_apps.accounts.emails import validated_email
from shared_apps.core.emails import canonical_email
from shared_apps.core.errors import InvalidError
from shared_apps.core.references import Reference
from shared_apps.mail.choices import MailSecurity
from shared_apps.mail.configuring import MailServer
from shared_apps.onboarding.choices import SetupFlag
from shared_apps.onboarding.declaration import rules, validation
from shared_apps.onboarding.declaration.document import LARGEST_BYTES, Document, read_document
from shared_apps.onboarding.declaration.problems import DeclarationError, Path, Problem
from shared_apps.onboarding.declaration.specs import (
    KEPT,
    KEPT_MAIL,
    AuthSpec,
    LimitsSpec,
    MailSpec,
    SinkSpec,
    TenantSpec,
)
from shared_apps.tenants import names
from shared_apps.tenants.choices import TenantState

API_VERSION = "freehold/v1"
_NOBODY = "nobody@example.invalid"
_KEPT: Final[Mapping[str, Any]] = {"auth": KEPT, "mail": KEPT_MAIL}
WITH_SECRETS: Final = tuple(_KEPT)
"""Parts that cannot be told whole, because nobody reads secrets back."""


class FileUnreadableError(InvalidError):
    code = "onboarding.file_unreadable"
    message = "The file cannot be read."


@dataclass(frozen=True, slots=True)
class Declaration:
    tenants: tuple[TenantSpec, ...]
    document: Document
    has_lines: bool = True

    def problem(self, number: int, *within: str | int, text: str) -> Problem:
        """Something about a tenant of the declaration that only the database knows."""
        if not self.has_lines:
            return Problem(within, None, text)
        path = ("tenants", number, *within)
        return Problem(path, self.document.line_of(path), text)


def read_file(path: FilePath) -> Declaration:
    """The declaration in a file.

    Raises:
        FileUnreadableError: there is no such file, or it may not be read.
        DeclarationError: with everything that is wrong.
    """
    try:
        with path.open("rb") as file:
            return read(file.read(LARGEST_BYTES + 1))
    except OSError as error:
        raise FileUnreadableError(f"{path} cannot be read: {error.strerror}") from None


def read(raw: bytes) -> Declaration:
    """The declaration in the bytes of a file.

    Raises:
        DeclarationError: with everything that is wrong.
    """
    document = read_document(raw)
    problems = list(document.problems)
    if document.value is not None or not problems:
        problems += [
            Problem(path, document.line_of(path), text)
            for path, text in _mismatches(document.value, is_remote=False)
        ]
    if problems:
        raise DeclarationError(problems)
    return Declaration(tuple(_spec(tenant) for tenant in document.value["tenants"]), document)


def read_tenant(
    declared: Any, *, is_remote: bool = True, keeps: Collection[str] = ()
) -> Declaration:
    """One tenant that is in no file, with paths instead of lines.

    A part in `keeps` that is left out (of WITH_SECRETS) is not the default but what it has.

    Raises:
        DeclarationError: with everything that is wrong.
    """
    value = {"apiVersion": API_VERSION, "tenants": [declared]}
    problems = [
        Problem(path[2:], None, text) for path, text in _mismatches(value, is_remote=is_remote)
    ]
    if problems:
        raise DeclarationError(problems)
    left_out = [name for name in keeps if name not in declared]
    spec = replace(_spec(declared), **{name: _KEPT[name] for name in left_out})
    return Declaration((spec,), Document(value), has_lines=False)


def read_auth(raw: bytes, *, admins: Collection[str]) -> AuthSpec:
    """What a file declares of the sign-in of a tenant with these administrators.

    Raises:
        DeclarationError: with everything that is wrong.
    """
    document = read_document(raw)
    problems = list(document.problems)
    if not problems:
        problems = [
            Problem(path, document.line_of(path), text)
            for path, text in _auth_mismatches(document.value, admins, is_remote=False)
        ]
    if problems:
        raise DeclarationError(problems)
    return _auth(document.value)


def read_remote_auth(declared: Any, *, admins: Collection[str]) -> AuthSpec:
    """The same, as it came over the network.

    Raises:
        DeclarationError: with everything that is wrong.
    """
    found = _auth_mismatches(declared, admins, is_remote=True)
    if found:
        raise DeclarationError([Problem(path, None, text) for path, text in found])
    return _auth(declared)


def _auth_mismatches(
    declared: Any, admins: Collection[str], *, is_remote: bool
) -> list[tuple[Path, str]]:
    """Judged within a tenant, so that there is one set of rules."""
    named = declared.get("break_glass") if isinstance(declared, dict) else None
    texts = [text for text in named if isinstance(text, str)] if isinstance(named, list) else []
    known = sorted({canonical_email(text) for text in texts}.intersection(admins))
    around = {"slug": "a", "name": "a", "domains": ["a.example"], "admins": known or [_NOBODY]}
    value = {"apiVersion": API_VERSION, "tenants": [{**around, "auth": declared}]}
    return [(path[3:], text) for path, text in _mismatches(value, is_remote=is_remote)]


def _mismatches(value: Any, *, is_remote: bool) -> list[tuple[Path, str]]:
    found = list(validation.find_mismatches(value))
    tenants = value.get("tenants") if isinstance(value, dict) else None
    for number, tenant in enumerate(tenants if isinstance(tenants, list) else []):
        found += rules.examine_tenant(tenant, ("tenants", number), is_remote=is_remote)
    return [*found, *rules.examine_all(tenants)]


def _spec(tenant: dict[str, Any]) -> TenantSpec:
    state = tenant.get("state")
    return TenantSpec(
        slug=tenant["slug"],
        name=tenant["name"].strip(),
        domains=tuple(names.canonical_host(domain) for domain in tenant["domains"]),
        admins=tuple(validated_email(address) for address in tenant["admins"]),
        state=TenantState(state.upper()) if state else None,
        auth=_auth(tenant.get("auth")),
        limits=LimitsSpec(**tenant.get("limits", {})),
        features=dict(sorted(tenant.get("features", {}).items())),
        registration=tuple(sorted(tenant.get("registration", {}).get("email_domains", []))),
        mail=_mail(tenant.get("mail")),
        setup=tuple(SetupFlag(flag) for flag in tenant.get("setup", [])),
        sinks=_sinks(tenant["sinks"]) if "sinks" in tenant else None,
    )


def _mail(declared: dict[str, Any] | None) -> MailSpec:
    if declared is None:
        return MailSpec()
    options = {name: value for name, value in declared.items() if name != "secrets"}
    options["sender"] = validated_email(options["sender"])
    options["security"] = MailSecurity(options.get("security", MailSecurity.TLS))
    password = declared.get("secrets", {}).get("password")
    return MailSpec(MailServer(**options), Reference.of(password) if password else None)


def _sinks(declared: dict[str, Any]) -> dict[str, SinkSpec]:
    return {
        name: SinkSpec(
            url=sink["url"],
            format=sink.get("format", "jsonl"),
            secret=Reference.of(sink["secret"]) if "secret" in sink else None,
        )
        for name, sink in sorted(declared.items())
    }


def _auth(declared: dict[str, Any] | None) -> AuthSpec:
    if declared is None:
        return AuthSpec()
    secrets = declared.get("secrets", {})
    return AuthSpec(
        backend=declared["backend"],
        options=declared.get("options", {}),
        secrets={name: Reference.of(reference) for name, reference in secrets.items()},
        break_glass=tuple(validated_email(address) for address in declared.get("break_glass", [])),
    )
