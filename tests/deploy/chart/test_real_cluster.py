"""A release's life on a cluster of yours: `KUBECONFIG`, and `FREEHOLD_TEST_VALUES` with the values that fit it.

The namespace is `FREEHOLD_TEST_NAMESPACE` (freehold-test), and the Secret that the values name is there already.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack.chart import helm

_NEEDED = ("KUBECONFIG", "FREEHOLD_TEST_VALUES")
pytestmark = pytest.mark.skipif(
    not all(os.environ.get(name) for name in _NEEDED),
    reason=f"{' and '.join(_NEEDED)} name no cluster",
)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    namespace = os.environ.get("FREEHOLD_TEST_NAMESPACE", "freehold-test")
    own = {"KUBECONFIG": os.environ["KUBECONFIG"]}
    return helm.run(*arguments, "--namespace", namespace, "--timeout", "30m", env=own)


@pytest.fixture
def values() -> Iterator[tuple[str, ...]]:
    yield ("--values", os.environ["FREEHOLD_TEST_VALUES"], "--wait", "--wait-for-jobs")
    run("uninstall", "freehold", "--wait")


def test_a_release_lives(values: tuple[str, ...]) -> None:
    for arguments in (
        ("install", "freehold", str(helm.CHART), *values),
        ("test", "freehold", "--logs"),
        ("upgrade", "freehold", str(helm.CHART), *values, "--set", "settings.LOG_LEVEL=DEBUG"),
        ("test", "freehold", "--logs"),
        ("rollback", "freehold", "1", "--wait"),
        ("test", "freehold", "--logs"),
    ):
        ended = run(*arguments)
        assert ended.returncode == 0, f"helm {arguments[0]}: {ended.stderr}\n{ended.stdout}"
