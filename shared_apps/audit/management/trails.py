"""Trails by the names that people give: a tenant's slug, or an id where it is gone or unknown here."""

import re
from argparse import ArgumentTypeError
from collections.abc import Mapping
from uuid import UUID

from django.core.management.base import CommandError
from django.db import Error, connection

from shared_apps.audit.transfer import INSTALLATION
from shared_apps.core import context

_UNITS = {"y": "years", "m": "months", "d": "days"}


def names() -> Mapping[UUID, str]:
    """Tenant → slug; none where only the audit database can be reached, as where an auditor works."""
    try:
        with context.operator(), connection.cursor() as cursor:
            cursor.execute("SELECT id, slug FROM public.tenants_tenant")
            return {INSTALLATION: "(installation)", **dict(cursor.fetchall())}
    except Error:
        return {INSTALLATION: "(installation)"}


def id_of(text: str, known: Mapping[UUID, str]) -> UUID:
    """Raises CommandError: nobody is called so."""
    found = next((tenant_id for tenant_id, slug in known.items() if slug == text), None)
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
