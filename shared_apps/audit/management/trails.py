"""Whose trail is meant: slugs where the application's database can be asked, ids everywhere."""

import re
from argparse import ArgumentTypeError
from collections.abc import Mapping
from uuid import UUID

from django.core.management.base import CommandError
from django.db import Error, connection

from shared_apps.audit.transfer import INSTALLATION
from shared_apps.core import context

_UNITS = {"y": "years", "m": "months", "d": "days"}


def known_names() -> Mapping[UUID, str]:
    """Tenant → slug; none where only the audit database can be reached, as where an auditor works."""
    try:
        with context.operator(), connection.cursor() as cursor:
            cursor.execute("SELECT id, slug FROM public.tenants_tenant")
            return {INSTALLATION: "(installation)", **dict(cursor.fetchall())}
    except Error:
        return {INSTALLATION: "(installation)"}


def id_of(text: str, names: Mapping[UUID, str]) -> UUID:
    """Raises CommandError: there is no such tenant, and it is no id."""
    found = next((tenant_id for tenant_id, slug in names.items() if slug == text), None)
    if found is not None:
        return found
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(
            f"there is no tenant {text}; one that was deleted is named by its id"
        ) from None


def interval(text: str) -> str:
    """`7y`, `18m`, `90d` as PostgreSQL understands it."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})([ymd])", text)
    if match is None:
        raise ArgumentTypeError(f"years, months or days as in 7y, 18m or 90d, not {text!r}")
    return f"{match[1]} {_UNITS[match[2]]}"
