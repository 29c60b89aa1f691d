"""What takes long runs with `scripts/test --deploy`; what is quick says so and runs always."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--deploy"):
        return
    skip = pytest.mark.skip(reason="runs with --deploy")
    for item in items:
        if _HERE in item.path.parents and item.get_closest_marker("quick_deploy") is None:
            item.add_marker(skip)
