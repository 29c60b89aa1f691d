"""Servers of a benchmark's own, and the product's environment on them."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import infra
from scripts.stack.environment import LOCAL_SETTINGS, Secrets, product_environment


@dataclass(frozen=True, slots=True)
class Site:
    """Nothing is installed yet. `directory` is for what the benchmark writes."""

    directory: Path
    servers: infra.Servers
    environment: Mapping[str, str]


@contextmanager
def site(server_settings: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Running while the block does; data and processes are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="freehold-bench-") as name:
        directory = Path(name)
        with infra.embedded(directory / "servers", settings=server_settings) as servers:
            files = directory / "files"
            files.mkdir()
            environment = product_environment(
                servers, Secrets(), settings=LOCAL_SETTINGS, files=files
            )
            yield Site(directory=directory, servers=servers, environment=environment)
