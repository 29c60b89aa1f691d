"""Schemas that are made beforehand and claimed by renaming."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.db import connections

from shared_apps.core import context
from shared_apps.fleet import replay, services
from shared_apps.fleet.catalogue import objects
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.fleet.spares import pool
from tests.fleet import Fleet
from tests.integration.shared_apps.fleet.test_template import RICH
from tests.spares import emptied_afterwards, fill


@pytest.fixture(autouse=True)
def emptied(fleet: Fleet) -> Iterator[None]:
    with emptied_afterwards():
        yield


def made_of_each(fleet: Fleet) -> None:
    """A tenant from the pool and one from the template are alike, row of the catalogue by row."""
    fill(1)
    claimed, made = fleet.make(2)
    assert pool.look().spares == ()
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        expected = objects.load(cursor, made.schema, made.role)
        assert objects.load(cursor, claimed.schema, claimed.role) == expected
        assert len(expected) > 100
        assert replay.applied_in(cursor, claimed.schema) == replay.applied_in(cursor, made.schema)


def test_one_that_was_claimed_is_what_the_template_makes(fleet: Fleet) -> None:
    made_of_each(fleet)
