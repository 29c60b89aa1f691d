"""On Citus a SET LOCAL takes its whole message to the tenant's node: no statement may share it."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants.database.profile import Profile
from tests.isolation.modes import default_connection

_WHO = attribution.Attribution(system="test:messages")


def message_of_a_statement() -> tuple[str, str, str]:
    """The whole message that asked, the role that answered, and on whose behalf."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_query(), current_user, current_setting('freehold.attribution')"
        )
        message, role, who = cursor.fetchone()
        return message, role, who


@pytest.mark.parametrize("is_inside", [False, True])
def test_the_context_has_a_message_of_its_own(
    acme: TenantIdentity, globex: TenantIdentity, is_inside: bool
) -> None:
    with (
        default_connection(POOL_MODE="transaction", SHARDED=True),
        attribution.acting(_WHO),
    ):
        for tenant in (acme, globex, acme):
            with context.tenant(tenant):
                if is_inside:
                    with transaction.atomic():
                        message, role, who = message_of_a_statement()
                else:
                    message, role, who = message_of_a_statement()
            assert "SET LOCAL" not in message
            assert role == tenant.role
            assert who == _WHO.as_json


def test_elsewhere_it_shares_the_message_of_its_statement(acme: TenantIdentity) -> None:
    """What the test above would see if nothing kept the two apart."""
    with default_connection(POOL_MODE="transaction", SHARDED=False), context.tenant(acme):
        message, role, _ = message_of_a_statement()
    assert message.count("SET LOCAL") == 5
    assert role == acme.role


def test_who_acts_is_told_anew_when_it_changes_within_a_transaction(acme: TenantIdentity) -> None:
    other = attribution.Attribution(system="test:another")
    with (
        default_connection(POOL_MODE="transaction", SHARDED=True),
        context.tenant(acme),
        transaction.atomic(),
    ):
        with attribution.acting(_WHO):
            assert message_of_a_statement()[2] == _WHO.as_json
        with attribution.acting(other):
            message, _, who = message_of_a_statement()
    assert (who, "SET LOCAL" in message) == (other.as_json, False)


def test_many_rows_are_sent_as_values(acme: TenantIdentity) -> None:
    """Citus cannot plan the INSERT from UNNEST that Django makes elsewhere."""
    from tenant_apps.invoicing.models import InvoiceNumberCounter

    sent: dict[bool, list[str]] = {True: [], False: []}
    for is_sharded, texts in sent.items():

        def note(execute: Any, sql: Any, *rest: Any, texts: list[str] = texts) -> Any:
            texts.append(str(sql))
            return execute(sql, *rest)

        with (
            default_connection(POOL_MODE="transaction", SHARDED=is_sharded),
            context.tenant(acme),
            connection.execute_wrapper(note),
        ):
            InvoiceNumberCounter.objects.bulk_create(
                InvoiceNumberCounter(year=year) for year in (1998, 1999)
            )
            InvoiceNumberCounter.objects.all().delete()
    assert {is_sharded: "UNNEST" in str(texts) for is_sharded, texts in sent.items()} == {
        True: False,
        False: True,
    }


def test_a_session_would_not_reach_the_node() -> None:
    with pytest.raises(ImproperlyConfigured, match="SHARDED needs POOL_MODE transaction"):
        Profile.from_settings({"OPTIONS": {}, "SHARDED": True, "POOL_MODE": "session"})
