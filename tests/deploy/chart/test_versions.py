"""Every version of Kubernetes that the chart supports; `scripts/check chart` asks the oldest and the newest."""

import pytest

from scripts.stack.chart import linting
from tests.deploy.chart import rendering


@pytest.mark.parametrize("version", linting.versions())
def test_each_supported_version_knows_every_field(version: str) -> None:
    # What several sets have alike is looked at once.
    different = {repr(m): m for name in rendering.SETS for m in rendering.manifests(name)}

    assert list(linting.invalid(different.values(), version=version)) == []
