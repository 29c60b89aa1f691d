from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.fleet import Fleet
    from tests.installation import Installation


@pytest.fixture
def fleet(system: "Installation", tmp_path: Path) -> "Iterator[Fleet]":
    from tests.fleet import of_a_test

    with of_a_test(system, tmp_path) as made:
        yield made
