"""A declaration as a whole: everything that is wrong with it at once, or the tenants it declares."""

from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from shared_apps.accounts.emails import validated_email
from shared_apps.core.errors import InvalidError
from shared_apps.core.references import Reference
from shared_apps.onboarding.choices import SetupFlag
from shared_apps.onboarding.declaration import rules, validation
from shared_apps.onboarding.declaration.document import LARGEST_BYTES, Document, read_document
from shared_apps.onboarding.declaration.problems import DeclarationError, Path, Problem
from shared_apps.onboarding.declaration.specs import AuthSpec, LimitsSpec, TenantSpec
from shared_apps.tenants import names
from shared_apps.tenants.choices import TenantState

API_VERSION = "freehold/v1"


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


def read_tenant(declared: Any, *, is_remote: bool = True) -> Declaration:
    """One tenant that is in no file, with paths instead of lines.

    Raises:
        DeclarationError: with everything that is wrong.
    """
    value = {"apiVersion": API_VERSION, "tenants": [declared]}
    problems = [
        Problem(path[2:], None, text) for path, text in _mismatches(value, is_remote=is_remote)
    ]
    if problems:
        raise DeclarationError(problems)
    return Declaration((_spec(declared),), Document(value), has_lines=False)


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
        setup=tuple(SetupFlag(flag) for flag in tenant.get("setup", [])),
    )


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
