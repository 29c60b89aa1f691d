"""System checks: `manage.py check --database default`."""

from collections.abc import Sequence
from typing import Any

import psycopg
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from shared_apps.tenants.database import probe
from shared_apps.tenants.database.base import DatabaseWrapper


@register(Tags.database)
def check_route(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Whether a tenant's role and path hold on the way to each of these databases."""
    messages: list[CheckMessage] = []
    for alias in databases or ():
        wrapper = connections[alias]
        if not isinstance(wrapper, DatabaseWrapper):
            continue
        try:
            problem = probe.find_problem(wrapper)
        except psycopg.Error as error:
            reason = str(error).strip().split("\n", 1)[0]
            messages.append(
                Warning(f"The database {alias} cannot be reached: {reason}", id="tenants.W001")
            )
            continue
        if problem is not None:
            messages.append(Error(problem, obj=alias, id="tenants.E001"))
    return messages
