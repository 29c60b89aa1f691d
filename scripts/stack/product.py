"""The product's own processes and commands, as the quickstart runs them."""

import http.client
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from config import programs as programs_of
from scripts.stack.errors import StackError, known_cause
from scripts.stack.output import OutputLog
from scripts.stack.paths import PYTHON, ROOT
from scripts.stack.ports import loopback_addresses
from scripts.stack.process import kill_group, spawn
from scripts.stack.state import State
from scripts.stack.supervised import Program


def prepare_data(
    state: State, environment: Mapping[str, str], *, progress: Callable[[str], None]
) -> None:
    """Run `manage.py demo`: roles, databases, migrations, the two tenants and their people.

    Raises:
        StackError: it failed; shows the end of its output.
    """
    log = OutputLog(state.logs / "demo.log", name="demo")
    command = spawn(
        [PYTHON, "manage.py", "demo", "--accounts", state.accounts],
        env={**os.environ, **environment},
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert command.stdout is not None
    try:
        for chunk in command.stdout:
            for line in log.feed(chunk):
                progress(line)
        code = command.wait()
    finally:
        kill_group(command.pid)
        command.wait()
        command.stdout.close()
        log.close()
    if code != 0:
        output = log.last_lines()
        cause = known_cause(output) or f" (manage.py demo ended with {code})"
        raise StackError(
            f"The demo data cannot be made{cause}; see {log.path}",
            details=output,
        )


def programs(state: State, environment: Mapping[str, str], *, port: int) -> list[Program]:
    """Web, workers, beat and relay, in the order in which they start."""
    _empty(state.metrics)
    # Not of commands: each would leave files of its own there.
    environment = {**environment, "PROMETHEUS_MULTIPROC_DIR": str(state.metrics)}

    def program(name: str, *arguments: str, ready_line: str | None) -> Program:
        return Program(
            name,
            [PYTHON, *arguments],
            environment={
                **os.environ,
                **programs_of.environment_of(name, environment),
                "PYTHONUNBUFFERED": "1",
            },
            directory=ROOT,
            logs=state.logs,
            ready_line=ready_line,
        )

    def family(*arguments: str) -> tuple[str, ...]:
        # In the place of `-m`.
        return ("-m", "scripts.stack.family", *arguments[1:])

    binds = [_bind(address, port) for address in loopback_addresses()]
    return [
        program(
            "web",
            *family(*programs_of.web(*binds, workers=2, graceful_seconds=5)),
            ready_line=None,
        ),
        program(
            "worker",
            *family(*programs_of.worker(concurrency=2)),
            ready_line=r"\bready\.(?:$|\")",
        ),
        program(
            "provisioner",
            *family(*programs_of.provisioner()),
            ready_line=r"\bready\.(?:$|\")",
        ),
        program(
            "beat",
            *family(*programs_of.beat(schedule=str(state.schedule))),
            ready_line="beat: Starting",
        ),
        program("relay", *programs_of.relay(), ready_line="The relay is working"),
    ]


def _bind(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _empty(directory: Path) -> None:
    """Figures of processes that are gone are not counted on: a restart begins at zero, as Prometheus expects."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)


def answers(port: int) -> bool:
    """The web process says that it and everything behind it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/ready", headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
