"""An instance or queryset of one tenant cannot be used for another."""

import asyncio
import contextlib
import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core import checks
from django.db import connections, models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants.checks import check_tenant_models
from shared_apps.tenants.errors import TenantMismatchError
from shared_apps.tenants.ownership import owner_of
from tenant_apps.invoicing.choices import VatRounding
from tenant_apps.invoicing.models import Invoice, InvoiceNumberCounter, Vendor
from tests.concurrency import at_once

PERSON = UUID(int=1)
SAME_KEY = UUID(int=7)


@pytest.fixture
def twins(acme: TenantIdentity, globex: TenantIdentity) -> tuple[Vendor, Vendor]:
    """Two rows with one key, at acme and at globex."""
    made = []
    for tenant in (acme, globex):
        with context.tenant(tenant):
            vendor = Vendor(id=SAME_KEY, name=f"of {tenant.slug}", created_by=PERSON)
            vendor.save(force_insert=True)
            made.append(vendor)
    return made[0], made[1]


def _names(tenant: TenantIdentity) -> set[str]:
    with context.tenant(tenant):
        return set(Vendor.objects.values_list("name", flat=True))


def _rename(vendor: Vendor) -> None:
    vendor.name = "overwritten"
    vendor.save()


def _bulk_update(vendor: Vendor) -> None:
    vendor.name = "overwritten"
    Vendor.objects.bulk_update([vendor], ["name"])


def _bulk_create(vendor: Vendor) -> None:
    Vendor.objects.bulk_create(
        [Vendor(name="new", created_by=PERSON), vendor],
        update_conflicts=True, unique_fields=["id"], update_fields=["name"],
    )  # fmt: skip


_USES: dict[str, Callable[[Vendor], Any]] = {
    "save": _rename,
    "save some fields": lambda vendor: vendor.save(update_fields=["name"]),
    "delete": lambda vendor: vendor.delete(),
    "refresh": lambda vendor: vendor.refresh_from_db(),
    "asynchronous save": lambda vendor: asyncio.run(vendor.asave()),
    "asynchronous delete": lambda vendor: asyncio.run(vendor.adelete()),
    "asynchronous refresh": lambda vendor: asyncio.run(vendor.arefresh_from_db()),
    "bulk_update": _bulk_update,
    "bulk_create": _bulk_create,
    "related rows": lambda vendor: list(vendor.invoices.all()),
    "prefetch": lambda vendor: models.prefetch_related_objects([vendor], "invoices"),
    "create related": lambda vendor: vendor.invoices.create(currency="EUR"),
    "assign": lambda vendor: setattr(Invoice(), "vendor", vendor),
    "assign at construction": lambda vendor: Invoice(vendor=vendor),
    "save as new": lambda vendor: vendor.save(force_insert=True),
}
_WAYS: dict[str, Callable[[Vendor], Vendor]] = {
    "saved": lambda vendor: vendor,
    "copied": copy.copy,
    "deeply copied": copy.deepcopy,
    "pickled": lambda vendor: pickle.loads(pickle.dumps(vendor)),
    "with another key": lambda vendor: _with_key(copy.copy(vendor), uuid4()),
}


def _with_key(vendor: Vendor, key: UUID) -> Vendor:
    vendor.pk = key
    return vendor


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("use", _USES)
def test_a_row_of_acme_cannot_be_used_for_globex(
    use: str,
    way: str,
    twins: tuple[Vendor, Vendor],
    acme: TenantIdentity,
    globex: TenantIdentity,
) -> None:
    vendor = _WAYS[way](twins[0])
    if use.startswith("assign"):
        with context.tenant(globex), pytest.raises(ValueError, match="prevents this relation"):
            _USES[use](vendor)
        return
    for scope in (context.tenant(globex), context.operator(), context.nobody()):
        with scope, pytest.raises(TenantMismatchError):
            _USES[use](vendor)
    assert (_names(acme), _names(globex)) == ({"of acme"}, {"of globex"})


def test_stock_django_overwrites_the_other_tenants_row(
    twins: tuple[Vendor, Vendor], globex: TenantIdentity
) -> None:
    vendor = twins[0]
    with context.tenant(globex):
        models.Model.save_base(vendor)  # past TenantModel
    assert _names(globex) == {"of acme"}


def test_loaded_rows_are_stamped_however_they_are_loaded(
    twins: tuple[Vendor, Vendor], acme: TenantIdentity
) -> None:
    with context.tenant(acme):
        invoice = _invoice(twins[0])
        loaded = [
            Vendor.objects.get(),
            Vendor.objects.only("id").get(),
            *Vendor.objects.iterator(),
            *Vendor.objects.raw("SELECT * FROM invoicing_vendor"),
            *Vendor.objects.in_bulk().values(),
            Invoice.objects.select_related("vendor").get().vendor,
            Invoice.objects.prefetch_related("vendor").get().vendor,
            Invoice.objects.get().vendor,
            Vendor.objects.get_or_create(id=SAME_KEY)[0],
            Vendor.objects.bulk_create([Vendor(name="b", created_by=PERSON)])[0],
        ]
    assert {owner_of(row) for row in [*loaded, invoice]} == {acme.id}


def test_the_alias_of_a_row_is_the_connections_own(
    twins: tuple[Vendor, Vendor], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for vendor in (*twins, pickle.loads(pickle.dumps(twins[1])), copy.deepcopy(twins[1])):
        assert vendor._state.db == "default"
        assert hash(vendor._state.db) == hash("default")

    def first_in_its_thread() -> tuple[bool, str, type]:
        """The alias of a tenant's row is what the thread's connection is asked for by."""
        try:
            connection = connections[twins[0]._state.db]
            with context.tenant(globex):
                name = Vendor.objects.using(twins[0]._state.db).get().name
            return connection is connections["default"], name, type(connection.alias)
        finally:
            connections.close_all()

    assert at_once([first_in_its_thread]) == [(True, "of globex", str)]


def test_a_row_that_came_past_our_querysets_is_nobodys(
    twins: tuple[Vendor, Vendor], acme: TenantIdentity
) -> None:
    with context.tenant(acme):
        names = [field.attname for field in Vendor._meta.concrete_fields]
        loaded = [
            Vendor.from_db("default", names, [getattr(twins[0], name) for name in names]),
            models.QuerySet(Vendor).get(),
        ]
        for vendor in loaded:
            assert owner_of(vendor) is None
            for use in ("save", "delete", "refresh", "related rows", "bulk_update"):
                with pytest.raises(TenantMismatchError, match="unknown"):
                    _USES[use](vendor)
    assert _names(acme) == {"of acme"}


def test_a_new_row_that_refers_to_acmes_is_acmes(
    twins: tuple[Vendor, Vendor], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme):
        invoice = Invoice(vendor=twins[0], currency="EUR", net=0, tax=0, amount=0)
    with context.tenant(globex), pytest.raises(TenantMismatchError):
        invoice.save()


def test_rows_that_meet_a_conflict_are_their_tenants_too(
    twins: tuple[Vendor, Vendor], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme):
        same = Vendor(id=SAME_KEY, name="again", created_by=PERSON)
        Vendor.objects.bulk_create([same], ignore_conflicts=True)
    with context.tenant(globex), pytest.raises(TenantMismatchError):
        same.save()


def test_a_deferred_field_is_not_fetched_from_the_other_tenant(
    twins: tuple[Vendor, Vendor], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme):
        vendor, invoice = Vendor.objects.only("id").get(), _invoice(twins[0])
        invoice.refresh_from_db()
    with context.tenant(globex):
        with pytest.raises(TenantMismatchError):
            _ = vendor.name
        with pytest.raises(TenantMismatchError):
            _ = invoice.vendor


_EVALUATIONS: dict[str, Callable[[Any], Any]] = {
    "list": list,
    "get": lambda rows: rows.get(),
    "first": lambda rows: rows.first(),
    "count": lambda rows: rows.count(),
    "exists": lambda rows: rows.exists(),
    "aggregate": lambda rows: rows.aggregate(n=models.Count("id")),
    "values": lambda rows: list(rows.values()),
    "values_list": lambda rows: list(rows.values_list("name")),
    "iterator": lambda rows: list(rows.iterator()),
    "in_bulk": lambda rows: rows.in_bulk(),
    "update": lambda rows: rows.update(name="overwritten"),
    "delete": lambda rows: rows.delete(),
    "explain": lambda rows: rows.explain(),
    "further filters": lambda rows: list(rows.filter(name="x").order_by("id")),
    "slice": lambda rows: list(rows[:1]),
    "combined": lambda rows: list(Vendor.objects.all() | rows),
    "union": lambda rows: list(Vendor.objects.all().union(rows)),
    "subquery": lambda rows: list(Vendor.objects.filter(id__in=rows)),
    "pickle": pickle.dumps,
    "asynchronous": lambda rows: asyncio.run(_listed(rows)),
    "asynchronous iterator": lambda rows: asyncio.run(_listed(rows.aiterator())),
    "create": lambda rows: rows.create(name="new", created_by=PERSON),
    "bulk_create": lambda rows: rows.bulk_create([Vendor(name="new", created_by=PERSON)]),
    "raw": lambda rows: list(rows.raw("SELECT * FROM invoicing_vendor")),
}


async def _listed(rows: Any) -> list[Any]:
    return [row async for row in rows]


@pytest.mark.parametrize("evaluate", _EVALUATIONS)
def test_a_queryset_of_acme_is_not_evaluated_for_globex(
    evaluate: str,
    twins: tuple[Vendor, Vendor],
    acme: TenantIdentity,
    globex: TenantIdentity,
) -> None:
    with context.tenant(acme):
        built, read = Vendor.objects.all(), Vendor.objects.all()
        assert len(read) == 1
    for rows in (built, read):
        for scope in (context.tenant(globex), context.operator(), context.nobody()):
            with scope, pytest.raises(TenantMismatchError):
                _EVALUATIONS[evaluate](rows)
    assert (_names(acme), _names(globex)) == ({"of acme"}, {"of globex"})


def test_a_raw_queryset_of_acme_is_not_evaluated_for_globex(
    twins: tuple[Vendor, Vendor], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme):
        raw = Vendor.objects.raw("SELECT * FROM invoicing_vendor")
    with context.tenant(globex), pytest.raises(TenantMismatchError):
        list(raw)


@pytest.mark.parametrize("kind", ["rows", "values", "raw"])
def test_an_iterator_does_not_go_on_in_another_context(
    kind: str, twins: tuple[Vendor, Vendor], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme):
        Vendor.objects.create(name="second", created_by=PERSON)
        rows: Iterator[Any] = {
            "rows": lambda: Vendor.objects.order_by("name").iterator(chunk_size=1),
            "values": lambda: Vendor.objects.order_by("name").values("name").iterator(),
            "raw": lambda: iter(Vendor.objects.raw("SELECT * FROM invoicing_vendor").iterator()),
        }[kind]()
        next(rows)
    with context.tenant(globex), pytest.raises(TenantMismatchError):
        next(rows)


def test_a_queryset_built_for_nobody_is_a_template(
    twins: tuple[Vendor, Vendor], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    template = Vendor.objects.order_by("name")
    for tenant in (acme, globex, acme):
        with context.tenant(tenant):
            assert [vendor.name for vendor in template.all()] == [f"of {tenant.slug}"]
    with context.tenant(acme):
        assert len(template) == 1  # evaluated itself, it is acme's from now on
    with context.tenant(globex), pytest.raises(TenantMismatchError):
        list(template)


def test_threads_at_once_keep_their_own(
    twins: tuple[Vendor, Vendor], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    template = Vendor.objects.all()

    def read(tenant: TenantIdentity) -> Callable[[], set[str]]:
        def work() -> set[str]:
            with context.tenant(tenant):
                return {template.all().get().name for _ in range(20)}

        return work

    assert at_once([read(acme), read(globex)] * 2) == [{"of acme"}, {"of globex"}] * 2


def test_an_instance_goes_on_to_another_context_as_its_values_only(
    twins: tuple[Vendor, Vendor], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(globex):
        copied = Vendor(name=twins[0].name, created_by=PERSON)
        copied.save()
    assert owner_of(copied) == globex.id
    assert _names(acme) == {"of acme"}


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["acme", "globex"]),
        st.sampled_from(
            [
                "load",
                "new",
                "save",
                "delete",
                "refresh",
                "pickle",
                "copy",
                "queryset",
                "read",
            ]
        ),
        st.integers(0, 5),
    ),
    min_size=4,
    max_size=15,
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=_STEPS)
def test_no_sequence_of_steps_moves_a_row_between_tenants(
    steps: list[tuple[str, str, int]], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    """Counters of acme are of even years, globex's of odd ones; whatever happens, it stays so."""
    tenants = {"acme": acme, "globex": globex}
    world = _World()
    for slug, tenant in tenants.items():
        with context.tenant(tenant):
            InvoiceNumberCounter.objects.all().delete()
            world.new(slug, id=SAME_KEY)
    for slug, step, index in steps:
        with context.tenant(tenants[slug]):
            getattr(world, step)(slug, index)
    for slug, tenant in tenants.items():
        with context.tenant(tenant):
            years = InvoiceNumberCounter.objects.values_list("year", flat=True)
            assert {year % 2 for year in years} <= {PARITY[slug]}


PARITY = {"acme": 0, "globex": 1}


class _World:
    """What a program may hold while it goes from one tenant to the other."""

    def __init__(self) -> None:
        self.held: list[tuple[str, InvoiceNumberCounter]] = []
        self.queries: list[tuple[str, Any]] = []
        self.last_year = 2000

    def new(self, slug: str, _: int = 0, **values: Any) -> None:
        self.last_year += 2
        row = InvoiceNumberCounter(year=self.last_year + PARITY[slug], **values)
        row.save()
        self.held.append((slug, row))

    def load(self, slug: str, _: int) -> None:
        self.held += [(slug, row) for row in InvoiceNumberCounter.objects.all()[:1]]

    def pickle(self, _: str, index: int) -> None:
        owner, row = self._pick(index)
        self.held.append((owner, pickle.loads(pickle.dumps(row))))

    def copy(self, _: str, index: int) -> None:
        owner, row = self._pick(index)
        self.held.append((owner, copy.copy(row)))

    def queryset(self, slug: str, _: int) -> None:
        self.queries.append((slug, InvoiceNumberCounter.objects.order_by("year")))

    def read(self, slug: str, _: int) -> None:
        for owner, rows in self.queries:
            with _raises_unless(owner == slug):
                assert {row.year % 2 for row in rows} <= {PARITY[slug]}

    def save(self, slug: str, index: int) -> None:
        owner, row = self._pick(index)
        row.last_number += 1
        with _raises_unless(owner == slug):
            row.save()

    def refresh(self, slug: str, index: int) -> None:
        owner, row = self._pick(index)
        with _raises_unless(owner == slug), contextlib.suppress(InvoiceNumberCounter.DoesNotExist):
            row.refresh_from_db()

    def delete(self, slug: str, index: int) -> None:
        owner, row = self._pick(index)
        row.pk = row.pk or SAME_KEY  # a deleted instance has lost its key
        with _raises_unless(owner == slug):
            row.delete()

    def _pick(self, index: int) -> tuple[str, InvoiceNumberCounter]:
        return self.held[index % len(self.held)]


def _raises_unless(allowed: bool) -> AbstractContextManager[Any]:
    return _Allowed() if allowed else pytest.raises(TenantMismatchError)


class _Allowed(AbstractContextManager[None]):
    def __exit__(self, *_: object) -> None:
        return None


def test_every_model_of_a_tenant_app_is_checked() -> None:
    assert check_tenant_models() == []
    assert "check_tenant_models" in {
        check.__name__ for check in checks.registry.registry.get_checks()
    }


def test_the_check_finds_a_model_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.apps import apps

    class Forgetful(models.Model):
        class Meta:
            app_label = "nowhere"

    class Unbound(Vendor):
        everything = models.Manager()

        class Meta:
            proxy = True
            app_label = "nowhere"

    config = apps.get_app_config("invoicing")
    monkeypatch.setattr(config, "get_models", lambda: [Forgetful, Unbound])
    assert [found.id for found in check_tenant_models()] == ["tenants.E001", "tenants.E002"]


def _invoice(vendor: Vendor) -> Invoice:
    return Invoice.objects.create(
        vendor=vendor,
        currency="EUR",
        rounding=VatRounding.LINE,
        net=0,
        tax=0,
        amount=0,
        created_by=PERSON,
    )
