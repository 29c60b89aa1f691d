"""The servers that the product runs on, and three ways to have them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.stack.binaries import ensure_binaries
from scripts.stack.errors import StackError
from scripts.stack.postgres import EmbeddedPostgres
from scripts.stack.redis_server import EmbeddedRedis


@dataclass(frozen=True)
class Servers:
    """Superuser URLs of the two PostgreSQL clusters, which may be one, and the Redis to use."""

    admin_url: str
    audit_admin_url: str
    redis_url: str
    programs: Path | None = None
    """Where pg_dump and its like of their version are; None: on the path."""


@contextmanager
def embedded(
    directory: Path, *, durable: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[Servers]:
    """Servers from the locked wheels, running while the block does; data stays in `directory`."""
    binaries = ensure_binaries()
    postgres = EmbeddedPostgres(
        directory / "postgres", binaries=binaries, durable=durable, settings=settings
    )
    redis = EmbeddedRedis(directory / "redis", binaries=binaries, durable=durable)
    with ExitStack() as stack:
        for server in (postgres, redis):
            server.start()
            stack.callback(server.stop)
        yield Servers(
            admin_url=postgres.url,
            audit_admin_url=postgres.url,
            redis_url=redis.url,
            programs=binaries.postgres_programs,
        )


@contextmanager
def external() -> Iterator[Servers]:
    """Servers named by the environment; the audit cluster is the other one unless named.

    Raises:
        StackError: names every variable that is missing.
    """
    missing = [
        name for name in ("TEST_ADMIN_DATABASE_URL", "TEST_REDIS_URL") if not os.environ.get(name)
    ]
    if missing:
        raise StackError(f"External servers need the environment: set {', '.join(missing)}")
    admin_url = os.environ["TEST_ADMIN_DATABASE_URL"]
    yield Servers(
        admin_url=admin_url,
        audit_admin_url=os.environ.get("TEST_AUDIT_ADMIN_DATABASE_URL") or admin_url,
        redis_url=os.environ["TEST_REDIS_URL"],
    )
