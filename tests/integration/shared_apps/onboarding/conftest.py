"""Declarations in files, and the command that applies them; what a test made is removed."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.installation import Installation
    from tests.integration.shared_apps.onboarding.console import Console


@pytest.fixture
def made(system: "Installation") -> Iterator[None]:
    """Tenants beside acme and globex are dropped afterwards, and those two are as they were."""
    from tests.made_tenants import removed_afterwards

    with removed_afterwards(system):
        yield


@pytest.fixture
def console(made: None, tmp_path: Path) -> "Console":
    from tests.integration.shared_apps.onboarding.console import Console

    return Console(tmp_path / "tenants.yaml")
