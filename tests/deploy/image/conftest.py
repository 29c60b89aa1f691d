import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.deploy.image import engine, installations
from tests.deploy.image.engine import Network
from tests.deploy.image.installations import Servers


@pytest.fixture(scope="session")
def image() -> str:
    """The name of the image of this tree."""
    if (
        not shutil.which("docker")
        or subprocess.run(["docker", "info"], capture_output=True).returncode
    ):
        pytest.skip("no Docker Engine answers")
    engine.build()
    return engine.IMAGE


@pytest.fixture(scope="session")
def network(image: str) -> Iterator[Network]:
    with engine.network() as made:
        yield made


@pytest.fixture(scope="session")
def servers(network: Network) -> Servers:
    return installations.start_servers(network)
