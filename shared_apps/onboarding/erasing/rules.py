"""Rules of one model carried out, or counted, for one person in the present context."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Final, assert_never
from uuid import UUID

from django.db import connections, models
from django.db.models import Count, F, Func, Value
from django.db.models.functions import Cast

from shared_apps.core.personal import (
    MASK,
    Anonymised,
    Deleted,
    Emptied,
    Kept,
    Masked,
    Rule,
    is_by_address,
    rules_of,
)
from shared_apps.onboarding.erasing.declarations import declared
from shared_apps.onboarding.erasing.subjects import Line, Subject

Lines = dict[UUID | None, list[Line]]
"""By the tenant whose rows they are; None: the installation's."""

Columns = Mapping[str, Set[str]]
"""Table → its columns."""

_BATCH: Final = 1000
_MOST_RECORDS: Final = 100
_ADDRESS: Final = "erasing_address"
_TEXT: Final = "erasing_text"

# What may stand in an address before the @, so that anna@x is not found in joanna@x. A quote counts only
# between letters: o'neil@x is an address, 'neil@x is a quotation.
_NOT_WITHIN: Final = r"(?<![[:alnum:]!#$%&*+/=?^_`{|}~.-])(?<![[:alnum:]]')"
_NOT_FURTHER: Final = r"(?![[:alnum:]-])(?!\.[[:alnum:]])"


def carry_out(
    subject: Subject, *, shared: bool, dry: bool, present: Columns, using: str = "default"
) -> Lines:
    """What the declared rules change for a person, or with `dry` would.

    Runs in the transaction and the context of its caller. Tables and columns that are not `present` in
    the schema yet are passed over.
    """
    found: Lines = defaultdict(list)
    for model in declared(shared=shared):
        columns = present.get(model._meta.db_table, set())
        # What stays is counted before it can no longer be found.
        for rule in sorted(rules_of(model), key=lambda rule: not isinstance(rule, Kept)):
            if _needs(model, rule) <= columns:
                for owner, line in _line(model, rule, subject, dry=dry, using=using):
                    found[owner].append(line)
    return dict(found)


def addresses_in(model: type[models.Model], *, using: str) -> set[str]:
    """Every address that a model's rules look rows up by, in canonical form."""
    fields = {
        rule.by
        for rule in rules_of(model)
        if isinstance(rule, Deleted | Emptied | Kept) and is_by_address(model, rule)
    }
    return {
        address
        for field in fields
        for address in _rows(model, using)
        .order_by()
        .values_list(_canonical(field), flat=True)
        .distinct()
        .iterator(chunk_size=_BATCH)
        if address
    }


def columns_of(schema: str, *, shared: bool, using: str = "default") -> Columns:
    """What there is of the tables that rules are for; nothing of a schema that was never made."""
    tables = [model._meta.db_table for model in declared(shared=shared)]
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, array_agg(a.attname::text) FROM pg_class c"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)"
            " AND c.relname = ANY(%s) GROUP BY c.relname",
            [schema, tables],
        )
        return {name: set(columns) for name, columns in cursor.fetchall()}


def _needs(model: type[models.Model], rule: Rule) -> set[str]:
    names = [] if isinstance(rule, Masked) else [rule.by]
    if not isinstance(rule, Deleted | Kept):
        names += rule.columns
    fields = {field.name: field for field in model._meta.concrete_fields}
    return {str(fields[name].column) for name in names}


def _line(
    model: type[models.Model], rule: Rule, subject: Subject, *, dry: bool, using: str
) -> Iterable[tuple[UUID | None, Line]]:
    match rule:
        case Masked():
            for column in rule.columns:
                yield from _masked(model, column, subject, dry=dry, using=using)
        case Kept():
            yield from _kept(model, rule, subject, using=using)
        case Deleted():
            rows = _of_person(model, rule, subject, using)
            counts = _changed(model, rows, None if dry else lambda batch: batch.delete())
            yield from _lines(model, "deleted", (), counts)
        case Emptied():
            rows = _of_person(model, rule, subject, using)
            change = None if dry else lambda batch: batch.update(**rule.columns)
            yield from _lines(model, "emptied", tuple(rule.columns), _changed(model, rows, change))
        case Anonymised():
            # The account's own app does it, at the end; here it is announced.
            if dry and subject.user_id is not None:
                rows = _rows(model, using).filter(**{rule.by: subject.user_id}, erased_at=None)
                yield from _lines(model, "anonymised", rule.columns, _changed(model, rows, None))
        case _:
            assert_never(rule)


def _masked(
    model: type[models.Model], column: str, subject: Subject, *, dry: bool, using: str
) -> Iterable[tuple[UUID | None, Line]]:
    if subject.email is None:
        return
    field = model._meta.get_field(column)
    pattern = _NOT_WITHIN + re.escape(subject.email) + _NOT_FURTHER
    text = Cast(F(column), models.TextField())
    rows = _rows(model, using).alias(**{_TEXT: text}).filter(**{f"{_TEXT}__iregex": pattern})
    replaced = Func(
        text, Value(pattern), Value(MASK), Value("gi"), function="regexp_replace",
        output_field=models.TextField(),
    )  # fmt: skip
    masked = Cast(replaced, models.JSONField()) if isinstance(field, models.JSONField) else replaced
    counts = _changed(model, rows, None if dry else lambda batch: batch.update(**{column: masked}))
    yield from _lines(model, "masked", (column,), counts)


def _kept(
    model: type[models.Model], rule: Kept, subject: Subject, *, using: str
) -> Iterable[tuple[UUID | None, Line]]:
    rows = _of_person(model, rule, subject, using) if rule.is_counted else None
    if rows is None:
        return
    owner = _owner(model)
    columns = rule.columns or (rule.by,)
    if owner is None:
        counts: dict[UUID | None, int] = {None: rows.count()}
    else:
        counts = dict(rows.order_by().values_list(owner).annotate(Count("pk")))
    has_records = is_by_address(model, rule)
    for tenant_id, count in counts.items():
        if count:
            own = rows if owner is None else rows.filter(**{owner: tenant_id})
            keys = (
                own.order_by("pk").values_list("pk", flat=True)[:_MOST_RECORDS]
                if has_records
                else ()
            )
            yield (
                tenant_id,
                Line(
                    model._meta.db_table, "kept", columns, count, rule.reason, rule.ground,
                    tuple(map(str, keys)),
                ),
            )  # fmt: skip


def _lines(
    model: type[models.Model], action: str, columns: tuple[str, ...], counts: Counter[UUID | None]
) -> Iterable[tuple[UUID | None, Line]]:
    for owner, rows in counts.items():
        yield owner, Line(model._meta.db_table, action, columns, rows)


def _changed(
    model: type[models.Model],
    rows: "models.QuerySet[Any] | None",
    change: "Callable[[models.QuerySet[Any]], object] | None",
) -> Counter[UUID | None]:
    """Change the rows and count them by tenant; exactly those that are counted."""
    counts: Counter[UUID | None] = Counter()
    if rows is None:
        return counts
    owner = _owner(model)
    found = rows.order_by("pk")
    if change is not None:
        found = found.select_for_update(of=("self",))
    keys = list(found.values_list("pk", owner or Value(None, models.UUIDField())))
    for start in range(0, len(keys), _BATCH):
        batch = keys[start : start + _BATCH]
        counts.update(tenant_id for _, tenant_id in batch)
        if change is not None:
            change(_rows(model, rows.db).filter(pk__in=[key for key, _ in batch]))
    return counts


def _of_person(
    model: type[models.Model], rule: Deleted | Emptied | Kept, subject: Subject, using: str
) -> "models.QuerySet[Any] | None":
    """None: the person is not known by what the rule looks for."""
    if is_by_address(model, rule):
        if subject.email is None:
            return None
        known = _rows(model, using).alias(**{_ADDRESS: _canonical(rule.by)})
        own: models.QuerySet[Any] = known.filter(**{_ADDRESS: subject.email})
        return own
    if subject.user_id is None:
        return None
    return _rows(model, using).filter(**{rule.by: subject.user_id})


def _rows(model: type[models.Model], using: str) -> "models.QuerySet[Any]":
    rows: models.QuerySet[Any] = model._default_manager.using(using)
    return rows


def _canonical(field: str) -> Func:
    """As core.emails.canonical_email."""
    return Func(
        F(field), template="lower(btrim(normalize(%(expressions)s, NFKC), E' \\t\\r\\n'))",
        output_field=models.TextField(),
    )  # fmt: skip


def _owner(model: type[models.Model]) -> str | None:
    """The column that says whose row of the shared schema it is."""
    if model._meta.label == "tenants.Tenant":
        return "pk"
    names = {field.attname for field in model._meta.concrete_fields}
    return "tenant_id" if "tenant_id" in names else None
