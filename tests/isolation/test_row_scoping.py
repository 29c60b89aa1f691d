"""Rows of several tenants in one table: the manager for people, the policy for everybody."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, models, transaction
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, Sum
from django.db.models.sql import DeleteQuery
from django.db.utils import ProgrammingError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_apps.core import context
from shared_apps.core.context import CrossTenantScope, TenantIdentity
from shared_apps.core.errors import TenantContextRequired
from shared_apps.tenants.errors import ForeignRowError, ReadOnlyScopeError, TenantMismatchError
from shared_apps.tenants.scoping import TenantScopedManager
from tests.installation import Installation
from tests.isolation import ticket
from tests.isolation.ticket import Queue, Ticket
from tests.people import make_auditor


class Unscoped:
    """Past the manager: what somebody does who uses Django's own, or forgets it."""

    tickets: models.Manager[Any] = models.Manager()
    queues: models.Manager[Any] = models.Manager()


Unscoped.tickets.model, Unscoped.queues.model = Ticket, Queue


@pytest.fixture(scope="module", autouse=True)
def _tables(installation: Installation, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock(), ticket.tables():
        yield


@pytest.fixture
def rows(acme: TenantIdentity, globex: TenantIdentity) -> Iterator[dict[str, Ticket]]:
    """Two tickets of each tenant in a queue of its own."""
    made: dict[str, Ticket] = {}
    with context.operator():
        for tenant in (acme, globex):
            queue = Queue.objects.create(tenant_id=tenant.id, name=tenant.slug)
            for number in range(2):
                made[f"{tenant.slug}{number}"] = Ticket.objects.create(
                    tenant_id=tenant.id, queue=queue, title=f"{tenant.slug}{number}"
                )
    yield made
    with context.operator():
        Unscoped.tickets.all().delete()
        Unscoped.queues.all().delete()


@pytest.fixture
def person(acme: TenantIdentity) -> CrossTenantScope:
    from shared_apps.accounts import selectors

    scope = selectors.find_cross_tenant_scope(user_id=make_auditor(acme).id)
    assert scope is not None
    return scope


def _globex(globex: TenantIdentity) -> list[tuple[Any, ...]]:
    """Globex's rows as the operator sees them."""
    with context.operator():
        return [
            *Ticket.objects.filter(tenant_id=globex.id).order_by("id").values_list(),
            *Queue.objects.filter(tenant_id=globex.id).order_by("id").values_list(),
        ]


READS: dict[str, Callable[[Any], Any]] = {
    "list": lambda tickets: sorted(t.title for t in tickets.all()),
    "count": lambda tickets: tickets.count(),
    "exists": lambda tickets: tickets.filter(title="globex0").exists(),
    "aggregate": lambda tickets: tickets.aggregate(n=Count("id"), s=Sum("priority")),
    "annotate": lambda tickets: list(tickets.values("tenant_id").annotate(n=Count("id"))),
    "iterator": lambda tickets: sorted(t.title for t in tickets.iterator(chunk_size=1)),
    "in_bulk": lambda tickets: sorted(t.title for t in tickets.in_bulk().values()),
    "values": lambda tickets: sorted(tickets.values_list("title", flat=True)),
    "defer": lambda tickets: sorted(t.title for t in tickets.defer("title")),
    "extra": lambda tickets: sorted(t.title for t in tickets.extra(where=["true"])),
    "first": lambda tickets: tickets.order_by("-title").first().title,
    "exclude": lambda tickets: sorted(t.title for t in tickets.exclude(title="acme0")),
    "or": lambda tickets: sorted(t.title for t in tickets.filter(title="x") | tickets.filter(~Q(pk=None))),
    "union": lambda tickets: sorted(t.title for t in tickets.all().union(tickets.all(), all=True)),
    "subquery": lambda tickets: sorted(t.title for t in tickets.filter(pk__in=tickets.values("pk"))),
    "exists subquery": lambda tickets: sorted(
        t.title for t in tickets.filter(Exists(tickets.filter(priority=OuterRef("priority"))))
    ),
    "select_related": lambda tickets: sorted(t.queue.name for t in tickets.select_related("queue")),
    "prefetch": lambda tickets: sorted(
        t.title for q in Queue.objects.prefetch_related("tickets") for t in q.tickets.all()
    ),
    "prefetch object": lambda tickets: sorted(
        t.title
        for q in Queue.objects.prefetch_related(Prefetch("tickets", Ticket.objects.order_by("id")))
        for t in q.tickets.all()
    ),
    "reverse": lambda tickets: sorted(t.title for q in Queue.objects.all() for t in q.tickets.all()),
    "base manager": lambda tickets: sorted(t.title for t in Ticket._base_manager.all()),
    "join": lambda tickets: tickets.filter(queue__name="globex").count(),
    "explain": lambda tickets: tickets.explain() and None,
}  # fmt: skip


@pytest.mark.parametrize("read", READS)
def test_a_tenant_reads_its_own_rows(
    acme: TenantIdentity, rows: dict[str, Ticket], read: str
) -> None:
    """The answer is the same as if nobody else had any."""
    with context.tenant(acme):
        together = READS[read](Ticket.objects)
    with context.operator():
        Unscoped.tickets.filter(title__startswith="globex").delete()
        Unscoped.queues.filter(name="globex").delete()
    with context.tenant(acme):
        assert READS[read](Ticket.objects) == together


@pytest.mark.parametrize("read", READS)
def test_so_it_does_past_the_manager(
    acme: TenantIdentity, rows: dict[str, Ticket], read: str
) -> None:
    with context.tenant(acme):
        past = READS[read](Unscoped.tickets)
        assert past == READS[read](Ticket.objects)


@pytest.mark.parametrize("read", READS)
def test_without_a_context_nothing_is_read(rows: dict[str, Ticket], read: str) -> None:
    with pytest.raises(TenantContextRequired):
        READS[read](Ticket.objects)


@pytest.mark.parametrize("read", READS)
def test_a_person_reads_the_granted_tenants(
    acme: TenantIdentity, rows: dict[str, Ticket], person: CrossTenantScope, read: str
) -> None:
    with context.tenant(acme):
        own = READS[read](Ticket.objects)
    with context.cross_tenant(person):
        assert READS[read](Ticket.objects) == own
        assert READS[read](Unscoped.tickets) == own


def test_the_operator_sees_all(rows: dict[str, Ticket]) -> None:
    with context.operator():
        assert Ticket.objects.count() == 4


def test_a_person_without_tenants_sees_nothing(
    acme: TenantIdentity, rows: dict[str, Ticket], person: CrossTenantScope
) -> None:
    nothing = CrossTenantScope(user_id=person.user_id, role=person.role, tenants=frozenset())
    with context.cross_tenant(nothing):
        assert list(Ticket.objects.all()) == []


def test_a_scope_that_claims_more_than_was_granted_sees_no_more(
    acme: TenantIdentity, globex: TenantIdentity, rows: dict[str, Ticket], person: CrossTenantScope
) -> None:
    forged = CrossTenantScope(
        user_id=person.user_id, role=person.role, tenants=frozenset({acme.id, globex.id})
    )
    with context.cross_tenant(forged):
        assert {row.tenant_id for row in Ticket.objects.all()} == {acme.id}


@pytest.mark.parametrize("used_by", ["globex", "operator", "person", "nobody"])
@pytest.mark.parametrize(
    "use",
    [
        list,
        lambda tickets: tickets.count(),
        lambda tickets: tickets.exists(),
        lambda tickets: tickets.update(title="x"),
        lambda tickets: tickets.delete(),
        lambda tickets: tickets.aggregate(Count("id")),
        lambda tickets: list(tickets.iterator()),
        lambda tickets: list(Unscoped.tickets.filter(pk__in=tickets.values("pk"))),
        lambda tickets: tickets.union(tickets).count(),
    ],
)
def test_a_query_of_one_context_is_refused_in_another(
    acme: TenantIdentity, globex: TenantIdentity, rows: dict[str, Ticket], person: CrossTenantScope,
    used_by: str, use: Callable[[Any], Any],
) -> None:  # fmt: skip
    with context.tenant(acme):
        built = Ticket.objects.all()
    entered = {
        "globex": lambda: context.tenant(globex),
        "operator": context.operator,
        "person": lambda: context.cross_tenant(person),
        "nobody": context.nobody,
    }[used_by]
    with entered(), pytest.raises((TenantMismatchError, TenantContextRequired, ReadOnlyScopeError)):
        use(built)
    with context.operator():
        assert Ticket.objects.count() == 4


def test_new_rows_become_the_tenants(acme: TenantIdentity, rows: dict[str, Ticket]) -> None:
    with context.tenant(acme):
        made = [
            Ticket.objects.create(title="a"),
            Ticket.objects.get_or_create(title="b")[0],
            Ticket.objects.update_or_create(title="c", defaults={"priority": 1})[0],
            *Ticket.objects.bulk_create([Ticket(title="d"), Ticket(title="e")]),
            Queue.objects.get().tickets.create(title="f"),
        ]
        saved = Ticket(title="g")
        saved.save()
        assert {row.tenant_id for row in [*made, saved]} == {acme.id}
        assert Ticket.objects.count() == 2 + 7


def test_get_or_create_does_not_find_anothers(
    acme: TenantIdentity, globex: TenantIdentity, rows: dict[str, Ticket]
) -> None:
    before = _globex(globex)
    with context.tenant(acme):
        made, is_new = Ticket.objects.get_or_create(title="globex0")
        assert is_new
        assert made.tenant_id == acme.id
        Ticket.objects.update_or_create(title="globex1", defaults={"priority": 9})
    assert _globex(globex) == before


FOREIGN_WRITES: dict[str, Callable[[Ticket, TenantIdentity], Any]] = {
    "save": lambda row, _: row.save(),
    "save some": lambda row, _: row.save(update_fields=["title"]),
    "force insert": lambda row, _: row.save(force_insert=True),
    "delete": lambda row, _: row.delete(),
    "create": lambda row, globex: Ticket.objects.create(tenant_id=globex.id, title="x"),
    "bulk_create": lambda row, globex: Ticket.objects.bulk_create([Ticket(tenant_id=globex.id)]),
    "bulk_create over": lambda row, globex: Ticket.objects.bulk_create(
        [Ticket(id=row.id, tenant_id=globex.id, title="x")],
        update_conflicts=True, unique_fields=["id"], update_fields=["title"],
    ),
    "move": lambda row, globex: Ticket.objects.update(tenant_id=globex.id),
    "move by expression": lambda row, globex: Ticket.objects.update(tenant_id=F("tenant_id")),
    "bulk_update": lambda row, globex: Ticket.objects.bulk_update(
        _with_tenant(list(Ticket.objects.all()), globex.id), ["tenant"]
    ),
    "take over": lambda row, globex: _taken(row).save(),
    "refresh": lambda row, _: row.refresh_from_db(),
    "get": lambda row, _: Ticket.objects.get(pk=row.pk),
}  # fmt: skip


def _with_tenant(tickets: list[Ticket], tenant_id: UUID) -> list[Ticket]:
    for row in tickets:
        row.tenant_id = tenant_id
    return tickets


def _taken(row: Ticket) -> Ticket:
    """The attempt to make a foreign row one's own by writing one's tenant into it."""
    scope = context.require_tenant()
    row.tenant_id = scope.id
    return row


@pytest.mark.parametrize("write", FOREIGN_WRITES)
def test_a_foreign_row_is_neither_changed_nor_moved_nor_found(
    acme: TenantIdentity, globex: TenantIdentity, rows: dict[str, Ticket], write: str
) -> None:
    before = _globex(globex)
    expected = (ForeignRowError, Ticket.DoesNotExist, DatabaseError)
    with context.tenant(acme), pytest.raises(expected):
        FOREIGN_WRITES[write](rows["globex0"], globex)
    assert _globex(globex) == before


def test_a_row_is_not_moved_away(
    acme: TenantIdentity, globex: TenantIdentity, rows: dict[str, Ticket]
) -> None:
    row = rows["acme0"]
    row.tenant_id = globex.id
    with context.tenant(acme), pytest.raises(ForeignRowError):
        row.save()


PAST_THE_MANAGER: dict[str, Callable[[Ticket, TenantIdentity], Any]] = {
    "update": lambda row, _: Unscoped.tickets.filter(pk=row.pk).update(title="x"),
    "delete": lambda row, _: Unscoped.tickets.filter(pk=row.pk).delete(),
    "delete batch": lambda row, _: DeleteQuery(Ticket).delete_batch([row.pk], "default"),
    "base save": lambda row, _: models.Model.save(row),
    "base delete": lambda row, _: models.Model.delete(row),
    "insert": lambda row, globex: Unscoped.tickets.bulk_create(
        [Ticket(tenant_id=globex.id, title="x")]
    ),
    "upsert": lambda row, globex: Unscoped.tickets.bulk_create(
        [Ticket(id=row.id, tenant_id=context.require_tenant().id, title="x")],
        update_conflicts=True, unique_fields=["id"], update_fields=["title", "tenant"],
    ),
    "move": lambda row, globex: Unscoped.tickets.update(tenant_id=globex.id),
    "raw update": lambda row, _: _raw("UPDATE scratch_ticket SET title = 'x' WHERE id = %s", row.pk),
    "raw delete": lambda row, _: _raw("DELETE FROM scratch_ticket WHERE id = %s", row.pk),
    "raw insert": lambda row, globex: _raw(
        "INSERT INTO scratch_ticket (tenant_id, title, priority) VALUES (%s, 'x', 0)", globex.id
    ),
    "raw select": lambda row, _: _raw("SELECT * FROM scratch_ticket WHERE id = %s", row.pk),
    "security off": lambda row, _: _raw(
        "SET LOCAL row_security = off; SELECT * FROM scratch_ticket WHERE id = %s", row.pk
    ),
    "truncate": lambda row, _: _raw("TRUNCATE scratch_ticket"),
    "copy": lambda row, _: _raw("COPY scratch_ticket FROM STDIN"),
    "foreign key": lambda row, _: Ticket.objects.filter(queue__name="globex").update(title="x"),
}  # fmt: skip


def _raw(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        assert cursor.rowcount <= 0 or cursor.description is None or cursor.fetchall() == []


@pytest.mark.parametrize("write", PAST_THE_MANAGER)
def test_the_wall_stands_behind_the_manager(
    acme: TenantIdentity, globex: TenantIdentity, rows: dict[str, Ticket], write: str
) -> None:
    """Refused or without effect; nothing here went through the manager's own checks."""
    before = _globex(globex)
    expected = (DatabaseError, ForeignRowError)
    with contextlib.suppress(*expected), context.tenant(acme), transaction.atomic():
        PAST_THE_MANAGER[write](rows["globex0"], globex)
    assert _globex(globex) == before


def test_moving_past_the_manager_is_the_policys_refusal(
    acme: TenantIdentity, globex: TenantIdentity, rows: dict[str, Ticket]
) -> None:
    with context.tenant(acme), pytest.raises(ProgrammingError, match="row-level security"):
        Unscoped.tickets.update(tenant_id=globex.id)


@pytest.mark.parametrize(
    "write",
    [
        lambda row: row.save(),
        lambda row: row.delete(),
        lambda row: Ticket.objects.create(title="x"),
        lambda row: Ticket.objects.update(title="x"),
        lambda row: Ticket.objects.all().delete(),
        lambda row: Ticket.objects.bulk_create([Ticket(title="x", tenant_id=row.tenant_id)]),
        lambda row: Unscoped.tickets.update(title="x"),
        lambda row: Unscoped.tickets.all().delete(),
        lambda row: Unscoped.tickets.bulk_create([Ticket(title="x", tenant_id=row.tenant_id)]),
    ],
)
def test_a_person_writes_nothing(
    rows: dict[str, Ticket], person: CrossTenantScope, write: Callable[[Ticket], Any]
) -> None:
    with context.cross_tenant(person), pytest.raises((ReadOnlyScopeError, ProgrammingError)):
        write(rows["acme0"])
    with context.operator():
        assert Ticket.objects.count() == 4


def test_every_manager_of_a_scoped_model_is_scoped() -> None:
    from django.apps import apps

    from shared_apps.tenants.scoping import TenantScoped

    scoped = [model for model in apps.get_models() if issubclass(model, TenantScoped)]
    assert scoped
    for model in [*scoped, Ticket, Queue]:
        assert isinstance(model._base_manager, TenantScopedManager), model
        assert all(isinstance(manager, TenantScopedManager) for manager in model._meta.managers)


_titles = st.sampled_from(["acme0", "acme1", "globex0", "globex1", "new"])
_numbers = st.integers(0, 3)
_filters = st.one_of(
    st.just({}),
    st.builds(lambda title: {"title": title}, _titles),
    st.builds(lambda n: {"priority__lte": n}, _numbers),
    st.builds(lambda title: {"queue__name": title[:-1]}, _titles),
)
_steps = st.tuples(
    st.sampled_from(
        ["get_or_create", "update_or_create", "bulk_create", "update", "delete", "read", "related",
         "save", "bulk_update", "foreign_save", "foreign_delete"]
    ),
    _titles, _numbers, _filters,
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(_steps, min_size=1, max_size=8))
def test_random_calls_never_touch_anothers_rows(
    acme: TenantIdentity, globex: TenantIdentity, rows: dict[str, Ticket], steps: list[Any]
) -> None:
    before = _globex(globex)
    assert len(before) == 3
    with context.tenant(acme):
        for step in steps:
            seen = _carry_out(rows["globex0"], *step)
            assert all(row.tenant_id == acme.id for row in seen), step
    assert _globex(globex) == before


def _carry_out(
    foreign: Ticket, name: str, title: str, number: int, where: dict[str, Any]
) -> list[Ticket]:
    """One random call; what it gave back."""
    with contextlib.suppress(Ticket.MultipleObjectsReturned):
        return RANDOM_CALLS[name](foreign, title, number, where) or []
    return []


def _refused(call: Callable[[], Any]) -> None:
    with pytest.raises(ForeignRowError):
        call()


def _saved(where: dict[str, Any], title: str) -> list[Ticket]:
    found = list(Ticket.objects.filter(**where)[:1])
    for row in found:
        row.title = title
        row.save()
    return found


def _updated(where: dict[str, Any], number: int) -> list[Ticket]:
    found = list(Ticket.objects.filter(**where))
    for row in found:
        row.priority = number
    Ticket.objects.bulk_update(found, ["priority"])
    return found


RANDOM_CALLS: dict[str, Callable[..., list[Ticket] | None]] = {
    "get_or_create": lambda _, title, number, __: [
        Ticket.objects.get_or_create(title=title, defaults={"priority": number})[0]
    ],
    "update_or_create": lambda _, title, number, __: [
        Ticket.objects.update_or_create(title=title, defaults={"priority": number})[0]
    ],
    "bulk_create": lambda _, title, number, __: list(
        Ticket.objects.bulk_create([Ticket(title=title, priority=number)] * 2)
    ),
    "update": lambda _, __, number, where: (
        Ticket.objects.filter(**where).update(priority=F("priority") + number) and None
    ),
    "delete": lambda _, __, ___, where: Ticket.objects.filter(**where).delete() and None,
    "read": lambda _, __, ___, where: list(Ticket.objects.filter(**where)),
    "related": lambda _, __, ___, where: [
        row for queue in Queue.objects.all() for row in queue.tickets.filter(**where)
    ],
    "save": lambda _, title, __, where: _saved(where, title),
    "bulk_update": lambda _, __, number, where: _updated(where, number),
    "foreign_save": lambda foreign, *_: _refused(foreign.save),
    "foreign_delete": lambda foreign, *_: _refused(foreign.delete),
}
