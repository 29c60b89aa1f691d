"""plan and apply, by the command line."""

from shared_apps.tenants import selectors
from shared_apps.tenants.choices import TenantState
from tests.integration.shared_apps.onboarding.console import Console, tenant


def test_apply_makes_what_plan_shows_and_then_has_nothing_to_do(console: Console) -> None:
    console.declare(
        tenant(
            "initech",
            domains="[initech.localhost, www.initech.localhost]",
            limits="{statement_timeout_ms: 15000, connections: 10, storage_mb: 7, requests_per_minute: 60}",
            features="{invoicing: true, beta: false}",
        )
    )

    planned = console.plan("--detailed-exitcode")
    applied = console.apply()
    again = console.apply()
    planned_again = console.plan("--detailed-exitcode")

    assert planned.code == 2, planned.err
    assert "+ initech: create" in planned.out
    assert applied.code == 0, applied.err
    assert (again.code, again.out.splitlines()[0]) == (0, "no changes")
    assert planned_again.code == 0
    made = selectors.get_tenant(slug="initech")
    assert made.state == TenantState.ACTIVE
    assert [domain.domain for domain in made.domains.all()] == [
        "initech.localhost",
        "www.initech.localhost",
    ]
    assert (made.limits.statement_timeout_ms, made.limits.connections) == (15000, 10)
    assert (made.quotas.requests_per_minute, made.quotas.storage_mb) == (60, 7)
    assert selectors.has_feature(tenant_id=made.id, feature="invoicing")
    assert not selectors.has_feature(tenant_id=made.id, feature="beta")
