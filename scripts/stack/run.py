"""Bring the system up in this process and keep it running."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from scripts.stack import bootstrap, directories, product
from scripts.stack.binaries import ensure_binaries
from scripts.stack.console import Console
from scripts.stack.environment import LOCAL_SETTINGS, load_or_create_secrets, product_environment
from scripts.stack.errors import StackError
from scripts.stack.infra import Servers
from scripts.stack.paths import VENV
from scripts.stack.ports import is_free, listener, loopback_addresses
from scripts.stack.postgres import EmbeddedPostgres
from scripts.stack.redis_server import EmbeddedRedis
from scripts.stack.state import State
from scripts.stack.summary import write_summary
from scripts.stack.supervised import Server
from scripts.stack.supervisor import Supervisor

_READY_SECONDS = 60.0


class StopRequested(BaseException):
    """Ctrl-C or SIGTERM."""


def check_port(port: int) -> None:
    """Refuse a port on which the web process could not listen.

    Raises:
        StackError: names the port and who has it.
    """
    for address in loopback_addresses():
        if not is_free(port, address=address):
            holder = listener(port)
            by = f" by {holder}" if holder else ""
            raise StackError(f"Port {port} is taken{by}; set FREEHOLD_PORT to another")


def run(
    state: State,
    *,
    port: int,
    with_directories: bool,
    console: Console,
    healthy: Callable[[], None],
    stopping: str,
) -> None:
    """Start everything, call `healthy`, and serve until a signal asks to stop.

    The caller holds the state's lock.

    Raises:
        StackError: something does not start or keeps dying; all of it has been stopped.
    """
    supervisor = Supervisor(report=console.line)
    try:
        with _signals_raise():
            _start(supervisor, state, port=port, with_directories=with_directories, console=console)
            healthy()
            supervisor.run()
    except StopRequested:
        console.line(stopping)
    finally:
        # First, because it says to others that the system is healthy.
        state.summary.unlink(missing_ok=True)
        supervisor.stop()
        shutil.rmtree(state.metrics, ignore_errors=True)


def _start(
    supervisor: Supervisor, state: State, *, port: int, with_directories: bool, console: Console
) -> None:
    state.summary.unlink(missing_ok=True)  # of a quickstart that was killed
    with console.step("Virtual environment"):
        bootstrap.ensure_environment("local" if with_directories else "base")
        bootstrap.hold_in_use(VENV)
        binaries = ensure_binaries()
    # Not before: others may use the virtual environment, but what follows is this user's alone.
    os.umask(0o077)

    if with_directories:
        with console.step("What directories need"):
            directories.prepare(state)

    with console.step("PostgreSQL and Redis"):
        postgres = EmbeddedPostgres(state.postgres, binaries=binaries)
        redis = EmbeddedRedis(state.redis, binaries=binaries)
        supervisor.start(Server(postgres))
        supervisor.start(Server(redis))
        environment = product_environment(
            Servers(
                admin_url=postgres.url,
                audit_admin_url=postgres.url,
                redis_url=redis.url,
                programs=binaries.postgres_programs,
            ),
            load_or_create_secrets(state.secrets),
            settings=LOCAL_SETTINGS,
            files=state.files,
            archives=state.archives,
            anchors=state.anchors,
            public_url=f"http://localhost:{port}",
            mail=state.mail,
        )
        if with_directories:
            environment |= directories.ENVIRONMENT
        state.archives.mkdir(exist_ok=True)
        state.save_environment(environment)

    with console.step("Databases and tenants") as progress:
        product.prepare_data(state, environment, progress=progress)
        if not with_directories:
            directories.forget(state, environment)

    if with_directories:
        with console.step("OpenLDAP for acme, Active Directory for globex"):
            for program in directories.programs(state, environment):
                supervisor.start(program)
            supervisor.wait_until(lambda: True, seconds=directories.READY_SECONDS)

    with console.step("Processes"):
        for program in product.programs(state, environment, port=port):
            supervisor.start(program)
        supervisor.wait_until(lambda: product.answers(port), seconds=_READY_SECONDS)
    write_summary(state, environment, port=port)


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Inside the block the first signal raises StopRequested; later ones are ignored.

    Stopping has limits of its own, and a second Ctrl-C must not interrupt it.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def request_stop(number: int, frame: FrameType | None) -> None:
        _ignore(numbers)
        raise StopRequested

    for number in numbers:
        signal.signal(number, request_stop)
    try:
        yield
    finally:
        _ignore(numbers)


def _ignore(numbers: tuple[signal.Signals, ...]) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
