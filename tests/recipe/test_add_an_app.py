"""docs/how-to/add-an-app.md, carried out literally in a copy of the tree."""

from pathlib import Path

import pytest

from scripts.stack.paths import ROOT
from tests.recipe.page import Block, blocks_of
from tests.recipe.tree import Tree

PAGE = ROOT / "docs/how-to/add-an-app.md"
# The suite's own, run again where the app is.
META_TESTS = (
    "tests/architecture/test_every_app.py",
    "tests/architecture/test_boundaries.py",
    "tests/architecture/test_context_rules.py",
    "tests/architecture/test_layers.py",
    "tests/architecture/test_personal_data.py",
    "tests/architecture/test_repeatable_requests.py",
    "tests/attacks/test_route_permissions.py::test_every_address_is_in_the_table",
    "tests/attacks/test_route_permissions.py::test_who_has_no_token_is_let_in_nowhere_else",
    "tests/attacks/test_route_permissions.py::test_every_address_method_and_role",
    "tests/contract/test_documents.py",
    "tests/integration/shared_apps/core/api/test_every_route.py",
    "tests/isolation/test_laboratory.py::test_the_product_is_tight",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    copied = Tree.copy(tmp_path_factory.mktemp("recipe"))
    for block in blocks_of(PAGE):
        if block.kind != "sh":
            block.carry_out(copied.path)
    making = next(block for block in blocks_of(PAGE) if block.kind == "sh").text.splitlines()[0]
    copied.run(*making.split())
    return copied


def test_the_migration_is_made_and_is_whole(tree: Tree) -> None:
    assert (tree.path / "tenant_apps/devices/migrations/0001_initial.py").exists()

    tree.run("scripts/check", "format", "lint", "imports", "migrations", "openapi", "deploy")


def test_the_app_has_what_the_platform_promises(tree: Tree) -> None:
    """With servers of its own, on which acme and globex are made."""
    said = tree.run(
        ".venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider",
        "tests/recipe/devices_over_http.py", *META_TESTS, timeout=600,
    )  # fmt: skip

    assert " passed" in said
    assert "skipped" not in said


def test_a_page_that_has_gone_stale_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "known.py").write_text("one\ntwo\n")

    with pytest.raises(ValueError, match="0 times"):
        Block("diff", " three\n+four\n", "known.py").carry_out(tmp_path)

    Block("diff", " one\n+new\n two\n", "known.py").carry_out(tmp_path)
    assert (tmp_path / "known.py").read_text() == "one\nnew\ntwo\n"
