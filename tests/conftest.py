"""The suite's servers, installation and people. All parts are real; see `--infra`.

Tests commit. After each one that asked for a tenant, the tables of both tenants and whatever was
added to the shared ones are emptied again by the owner of the tables.
"""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import django
import pytest

from scripts.stack import containers, infra
from scripts.stack.environment import Secrets, product_environment
from scripts.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared_apps.core.context import TenantIdentity
    from tests.client import Api
    from tests.directories.oidc_provider import OidcProvider
    from tests.directories.samba import Domain
    from tests.directories.slapd import Slapd
    from tests.installation import Installation
    from tests.workers import Worker

_servers = ExitStack()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--infra",
        choices=["embedded", "containers", "external"],
        default="embedded",
        help="where PostgreSQL and Redis come from",
    )
    parser.addoption(
        "--deploy",
        action="store_true",
        help="also tests/deploy, which builds images and starts hosts of containers",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start the servers before anything imports a model: settings are read from the environment.

    With `-n` each process has servers and an installation of its own, and the one that hands out the tests has none.
    """
    if config.option.numprocesses and not config.option.collectonly:
        return  # nor may it set anything: the others inherit its environment
    if config.option.help or config.option.collectonly:
        servers = infra.Servers(
            *["postgresql://nobody@127.0.0.1:9/none"] * 2, "redis://127.0.0.1:9/0"
        )
    else:
        try:
            servers = _servers.enter_context(_start(config.getoption("--infra")))
        except StackError as error:
            raise pytest.UsageError(str(error)) from error
    environment = product_environment(
        servers,
        Secrets(),
        settings="config.settings.test",
        files=Path(_servers.enter_context(tempfile.TemporaryDirectory(prefix="freehold-files-"))),
        archives=Path(_servers.enter_context(tempfile.TemporaryDirectory(prefix="freehold-arch-"))),
        anchors=Path(_servers.enter_context(tempfile.TemporaryDirectory(prefix="freehold-anch-"))),
        prefix=f"test_{secrets.token_hex(3)}",
    )
    os.environ.update(environment)
    django.setup()


def pytest_unconfigure() -> None:
    _servers.close()


def _start(kind: str) -> AbstractContextManager[infra.Servers]:
    match kind:
        case "containers":
            return containers.containers()
        case "external":
            return infra.external()
    directory = _servers.enter_context(tempfile.TemporaryDirectory(prefix="freehold-test-"))
    return infra.embedded(Path(directory))


@pytest.fixture(scope="session")
def installation(django_db_blocker: pytest.FixtureRequest) -> "Iterator[Installation]":
    """An installed system with the tenants acme and globex."""
    from tests.installation import Installation

    with django_db_blocker.unblock():
        installed = Installation.set_up()
    yield installed
    with django_db_blocker.unblock():
        installed.drop()


@pytest.fixture
def system(
    installation: "Installation", django_db_blocker: pytest.FixtureRequest
) -> "Iterator[Installation]":
    """The installation, for one test; cleaned afterwards."""
    with django_db_blocker.unblock():
        yield installation
        installation.clean()


@pytest.fixture
def acme(system: "Installation") -> "TenantIdentity":
    return system.tenants["acme"]


@pytest.fixture
def globex(system: "Installation") -> "TenantIdentity":
    return system.tenants["globex"]


@pytest.fixture
def api(system: "Installation") -> "Callable[..., Api]":
    """`api(acme, "editor")`: a client that is signed in; `api(acme)`: one that is not."""
    from tests.client import Api

    return lambda tenant, role=None: Api(
        tenant, password=system.password if role else None, role=role
    )


@pytest.fixture(scope="session")
def samba() -> "Iterator[Domain]":
    """A domain of Active Directory, common to the tests of a process: each makes the people that it changes."""
    from tests.directories import samba

    samba.require_samba()
    with samba.running() as domain:
        yield domain


@pytest.fixture(scope="session")
def workers(
    installation: "Installation", tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[dict[str, Worker]]":
    """A worker for each pool, reading the queue of that pool's name; prefork reads the default too."""
    from django.conf import settings

    from tests.workers import running_worker

    directory = tmp_path_factory.mktemp("workers")
    default = settings.CELERY_TASK_DEFAULT_QUEUE
    with ExitStack() as running:
        yield {
            pool: running.enter_context(
                running_worker(pool, queue=f"{default}-{pool}", directory=directory, also=also)
            )
            for pool, also in (("prefork", (default,)), ("threads", ()))
        }


@pytest.fixture(scope="session")
def slapd_of_acme() -> "Iterator[Slapd]":
    from tests.directories import slapd

    slapd.require_slapd()
    with slapd.running(organisation="acme") as server:
        yield server


@pytest.fixture(scope="session")
def slapd_of_globex() -> "Iterator[Slapd]":
    from tests.directories import slapd

    slapd.require_slapd()
    with slapd.running(organisation="globex") as server:
        yield server


@pytest.fixture
def slapd(slapd_of_acme: "Slapd") -> "Iterator[Slapd]":
    """acme's directory; its people are put back afterwards, whatever became of them."""
    yield slapd_of_acme
    slapd_of_acme.reset()


@pytest.fixture
def other_slapd(slapd_of_globex: "Slapd") -> "Iterator[Slapd]":
    """globex's: the same names, other passwords."""
    yield slapd_of_globex
    slapd_of_globex.reset()


@pytest.fixture(scope="session")
def oidc_provider() -> "Iterator[OidcProvider]":
    from tests.directories import oidc_provider

    with oidc_provider.running() as provider:
        yield provider


@pytest.fixture
def entra(oidc_provider: "OidcProvider", system: "Installation") -> "Iterator[OidcProvider]":
    """The provider, in Entra's place; nothing of it is remembered."""
    from django.core.cache import cache
    from django.test import override_settings

    from shared_apps.core import context

    with context.operator():
        cache.clear()
    oidc_provider.forget()
    with override_settings(ENTRA_AUTHORITY=oidc_provider.url, ENTRA_GRAPH=oidc_provider.graph):
        yield oidc_provider
