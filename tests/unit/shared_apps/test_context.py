import asyncio
import threading
from uuid import uuid4

import pytest

from shared_apps.core import context
from shared_apps.core.errors import TenantContextRequired
from shared_apps.tenants import messages


def _identity(slug: str) -> context.TenantIdentity:
    return context.TenantIdentity(id=uuid4(), slug=slug, schema=f"t_{slug}", role=f"r_{slug}")


def test_the_default_is_nobody() -> None:
    assert context.current() is None
    with pytest.raises(TenantContextRequired):
        context.require()


def test_the_operator_is_no_tenant() -> None:
    with context.operator(), pytest.raises(TenantContextRequired):
        context.require_tenant()


def test_a_cross_tenant_person_is_no_tenant_and_sends_no_tasks() -> None:
    scope = context.CrossTenantScope(user_id=uuid4(), role="r_x", tenants=frozenset())
    with context.cross_tenant(scope):
        assert context.require() is scope
        with pytest.raises(TenantContextRequired):
            context.require_tenant()
        with pytest.raises(TenantContextRequired):
            messages.of_current_context()


def test_a_context_ends_with_its_block_also_after_an_error() -> None:
    acme = _identity("acme")
    with pytest.raises(ValueError, match="boom"), context.tenant(acme):
        raise ValueError("boom")
    assert context.current() is None


def test_contexts_nest() -> None:
    acme, globex = _identity("acme"), _identity("globex")
    with context.tenant(acme):
        with context.tenant(globex):
            assert context.current() is globex
        assert context.current() is acme


def test_a_thread_does_not_inherit_it() -> None:
    seen: list[object] = []
    with context.tenant(_identity("acme")):
        thread = threading.Thread(target=lambda: seen.append(context.current()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_concurrent_tasks_keep_their_own() -> None:
    async def work(slug: str) -> str:
        with context.tenant(_identity(slug)):
            await asyncio.sleep(0)
            return context.require_tenant().slug

    async def both() -> list[str]:
        return await asyncio.gather(*(work(slug) for slug in ["acme", "globex"] * 50))

    assert asyncio.run(both()) == ["acme", "globex"] * 50
