"""Hidden rows: not in lists, nor from where they are named, nor in another's place; and back again."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, models, transaction
from django.test.utils import isolate_apps

from shared_apps.audit.triggers import AuditedTable
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants.errors import TenantMismatchError
from shared_apps.tenants.ownership import TenantModel
from shared_apps.tenants.soft_deletion import SoftDeleteModel, unique_among_live
from tests.audited import tables
from tests.installation import Installation

_TABLES = """
CREATE TABLE soft_shelf (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE soft_book (
    id uuid PRIMARY KEY, title text NOT NULL, deleted_at timestamptz,
    shelf_id uuid NOT NULL REFERENCES soft_shelf);
CREATE UNIQUE INDEX soft_book_title ON soft_book (title) WHERE deleted_at IS NULL;
CREATE TABLE soft_loan (id uuid PRIMARY KEY, book_id uuid NOT NULL REFERENCES soft_book);
"""


class Library:
    Shelf: Any
    Book: Any
    Loan: Any


@pytest.fixture
def library(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> Iterator[Library]:
    """Three models with tables at both tenants; the test's code works for acme."""
    with isolate_apps("shared_apps.tenants"):

        class Shelf(TenantModel):
            id = models.UUIDField(primary_key=True, default=uuid4)
            name = models.TextField()

            class Meta:
                app_label = "tenants"
                db_table = "soft_shelf"

        class Book(SoftDeleteModel):
            id = models.UUIDField(primary_key=True, default=uuid4)
            title = models.TextField()
            shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE, related_name="books")

            class Meta:
                app_label = "tenants"
                db_table = "soft_book"
                constraints = [unique_among_live("title", name="soft_book_title")]

        class Loan(TenantModel):
            id = models.UUIDField(primary_key=True, default=uuid4)
            book = models.ForeignKey(Book, on_delete=models.CASCADE, related_name="loans")

            class Meta:
                app_label = "tenants"
                db_table = "soft_loan"

        made = Library()
        made.Shelf, made.Book, made.Loan = Shelf, Book, Loan
        names = [
            AuditedTable(name=name, keys=("id",), exclude=(), redact=(), entity=f"test.{name}")
            for name in ("soft_loan", "soft_book", "soft_shelf")
        ]
        with tables(system, acme, globex, make=_TABLES, audited=names), context.tenant(acme):
            yield made


def titles(rows: Any) -> list[str]:
    return sorted(row.title for row in rows)


def test_a_deleted_row_is_hidden_and_comes_back(library: Library, globex: TenantIdentity) -> None:
    shelf = library.Shelf.objects.create(name="one")
    kept, lost = (library.Book.objects.create(title=t, shelf=shelf) for t in ("kept", "lost"))

    assert lost.delete() == (1, {"tenants.Book": 1})
    assert lost.delete() == (0, {})

    books = library.Book.objects
    assert titles(books.all()) == ["kept"]
    assert titles(books.all_with_deleted()) == ["kept", "lost"]
    assert titles(books.only_deleted()) == ["lost"]
    assert (books.count(), books.filter(id=lost.id).exists()) == (1, False)
    with context.tenant(globex):
        assert library.Book.objects.all_with_deleted().count() == 0
        with pytest.raises(TenantMismatchError):
            lost.restore()
    lost.restore()
    assert titles(books.all()) == ["kept", "lost"]
    assert kept.delete_for_good()[0] == 1
    assert titles(books.all_with_deleted()) == ["lost"]


def test_many_are_hidden_at_once(library: Library) -> None:
    shelf = library.Shelf.objects.create(name="one")
    for title in ("a", "b", "c"):
        library.Book.objects.create(title=title, shelf=shelf)

    assert library.Book.objects.exclude(title="a").delete() == (2, {"tenants.Book": 2})
    assert library.Book.objects.exclude(title="a").delete() == (0, {})
    assert titles(library.Book.objects.all_with_deleted()) == ["a", "b", "c"]
    assert library.Book.objects.only_deleted().filter(title="b").restore() == 1
    assert titles(library.Book.objects.all()) == ["a", "b"]
    assert library.Book.objects.only_deleted().delete_for_good()[0] == 1
    assert titles(library.Book.objects.all_with_deleted()) == ["a", "b"]


def test_related_rows_are_hidden_and_only_ones_own_are_found(library: Library) -> None:
    one, two = (library.Shelf.objects.create(name=name) for name in ("one", "two"))
    for title, shelf in (("a", one), ("b", one), ("c", two), ("d", two)):
        library.Book.objects.create(title=title, shelf=shelf)
    library.Book.objects.filter(title__in=["b", "d"]).delete()

    assert titles(one.books.all()) == ["a"]
    assert titles(one.books.all_with_deleted()) == ["a", "b"]
    assert titles(one.books.only_deleted()) == ["b"]
    fetched = library.Shelf.objects.prefetch_related("books").get(id=two.id)
    assert titles(fetched.books.all()) == ["c"]


def test_what_refers_to_a_hidden_row_still_finds_it(library: Library) -> None:
    shelf = library.Shelf.objects.create(name="one")
    book = library.Book.objects.create(title="a", shelf=shelf)
    loan = library.Loan.objects.create(book=book)
    book.delete()

    assert library.Loan.objects.get(id=loan.id).book.title == "a"
    assert library.Loan.objects.select_related("book").get(id=loan.id).book.title == "a"
    book.refresh_from_db()
    assert book.deleted_at is not None
    # Deleting the shelf takes hidden rows along: they refer to it.
    shelf.delete()
    assert library.Book.objects.all_with_deleted().count() == 0
    assert library.Loan.objects.count() == 0


def test_a_key_is_unique_among_those_that_are_not_hidden(library: Library) -> None:
    shelf = library.Shelf.objects.create(name="one")
    first = library.Book.objects.create(title="same", shelf=shelf)
    with pytest.raises(IntegrityError), transaction.atomic():
        library.Book.objects.create(title="same", shelf=shelf)

    first.delete()
    second = library.Book.objects.create(title="same", shelf=shelf)

    with pytest.raises(IntegrityError), transaction.atomic():
        first.restore()
    second.delete()
    library.Book.objects.only_deleted().filter(id=first.id).restore()
    assert [row.id for row in library.Book.objects.all()] == [first.id]
