"""Hosts for Ansible: containers with systemd, which reach each other and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.hosts.hosts import Laboratory


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "quick_deploy: runs without --deploy")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Also where tests/deploy says nothing of --deploy: these take a quarter of an hour."""
    if config.getoption("--deploy", default=False):
        return
    for item in items:
        is_here = Path(__file__).parent in item.path.parents
        if is_here and item.get_closest_marker("quick_deploy") is None:
            item.add_marker(pytest.mark.skip(reason="runs with --deploy"))


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with Laboratory.made(tmp_path_factory.mktemp("hosts")) as made:
        yield made
