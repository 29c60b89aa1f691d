"""`tenant move`: what is refused before Citus is asked. tests/integration/shared_apps/fleet/test_citus.py
moves for real."""

from pathlib import Path

import pytest
from django.test import override_settings

from shared_apps.core.context import TenantIdentity
from tests.integration.shared_apps.onboarding.console import Console


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return Console(tmp_path / "tenants.yaml")


def test_without_a_cluster_nobody_moves(acme: TenantIdentity, console: Console) -> None:
    ended = console.run("move", "acme", "--to", "10.0.0.7:5432")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "Tenants move between nodes of a Citus cluster only, and DATABASE_SHARDING is not citus."
    )


@pytest.mark.parametrize(
    ("slug", "said"),
    [
        ("acme", "The database has no extension citus."),
        ("nobody", "There is no such tenant. (slug: nobody)"),
    ],
)
def test_nor_where_the_setting_says_there_is_one(
    acme: TenantIdentity, console: Console, slug: str, said: str
) -> None:
    with override_settings(DATABASE_SHARDING="citus"):
        ended = console.run("move", slug, "--to", "10.0.0.7:5432")
    assert (ended.code, ended.out, ended.err) == (1, "", said)


@pytest.mark.parametrize(
    "arguments",
    [
        ("acme",),
        ("acme", "--to", "n", "--mode", "fast"),
        ("acme", "--to", "n", "--wait", "-1"),
        ("acme", "--to", "n", "--wait", "nan"),
    ],
)
def test_bad_arguments_are_refused(
    acme: TenantIdentity, console: Console, arguments: tuple[str, ...]
) -> None:
    ended = console.run("move", *arguments)
    assert ended.code != 0
    assert ended.out == ""
