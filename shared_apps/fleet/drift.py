"""Where a tenant's schema is not what the template makes: compared in the catalogue, object by object.

Hashes first, a batch of schemas in one query; only schemas that differ are read object by object.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connections

from shared_apps.core import context
from shared_apps.fleet import compiling, selectors, templates
from shared_apps.fleet.catalogue import objects, script
from shared_apps.fleet.errors import TemplateError
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.selectors import Member

_BATCH = 50


@dataclass(frozen=True, slots=True)
class Difference:
    """`expected` and `found` are definitions; empty where there is no such object."""

    tenant: str
    kind: str
    name: str
    expected: str
    found: str

    def __str__(self) -> str:
        what = f"{self.tenant}: {self.kind} {self.name}"
        if not self.found:
            return f"{what} is missing (expected: {self.expected})"
        if not self.expected:
            return f"{what} should not be there (found: {self.found})"
        return f"{what} is {self.found} instead of {self.expected}"


def find_differences() -> tuple[list[Difference], list[str]]:
    """Differences of all tenants at the code's version, and the slugs of those that are at another.

    Raises:
        TemplateError: this code's schema cannot be made from a script, so there is nothing to compare with.
    """
    template = templates.ensure_template()
    if not template.script:
        raise TemplateError(template.refusal)
    members = selectors.list_members()
    current = [m for m in members if m.fingerprint == template.fingerprint and not m.is_between]
    with compiling.scratch() as (cursor, role):
        cursor.execute(script.fill(template.script, schema=script.SCHEMA, role=role))
        expected = objects.load(cursor, script.SCHEMA, role)
        wanted = objects.digests(cursor, [script.SCHEMA], [role])[script.SCHEMA]
    found = [
        difference
        for start in range(0, len(current), _BATCH)
        for difference in _compare(current[start : start + _BATCH], wanted, expected)
    ]
    behind = [member.identity.slug for member in members if member not in current]
    return found, behind


def _compare(
    members: list[Member], wanted: str, expected: set[objects.Item]
) -> Iterator[Difference]:
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        digests = objects.digests(
            cursor, [m.identity.schema for m in members], [m.identity.role for m in members]
        )
        different = [m for m in members if digests.get(m.identity.schema) != wanted]
        for member in different:
            own = objects.load(cursor, member.identity.schema, member.identity.role)
            yield from _differences(member.identity.slug, expected, own)


def _differences(
    slug: str, expected: set[objects.Item], own: set[objects.Item]
) -> Iterator[Difference]:
    lacks = {(kind, name): text for kind, name, text in expected - own}
    has = {(kind, name): text for kind, name, text in own - expected}
    for kind, name in sorted(lacks.keys() | has.keys()):
        yield Difference(slug, kind, name, lacks.get((kind, name), ""), has.get((kind, name), ""))
