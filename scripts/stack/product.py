"""The product's own processes and commands, as the quickstart runs them."""

import http.client
import os
import subprocess
from collections.abc import Callable, Mapping

from scripts.stack.errors import StackError, known_cause
from scripts.stack.output import OutputLog
from scripts.stack.paths import PYTHON, ROOT
from scripts.stack.ports import loopback_addresses
from scripts.stack.process import kill_group, spawn
from scripts.stack.state import State
from scripts.stack.supervised import Program

# Logins that own schemas or servers, or may take audit entries away: for commands that a person runs, not for what serves requests.
# The provisioner has one of them, because it does what `manage.py tenant apply` does.
_FOR_COMMANDS_ONLY = {
    "ADMIN_DATABASE_URL",
    "AUDIT_ADMIN_DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "AUDIT_MIGRATION_DATABASE_URL",
    "AUDIT_RETENTION_DATABASE_URL",
}
_FOR_THE_RELAY = {"RELAY_DATABASE_URL"}
# Reads all trails: for what signs their ends, and what sends them on.
_FOR_AUDITING = {"AUDIT_AUDITOR_DATABASE_URL"}
_FOR_ANCHORS = {"AUDIT_ANCHOR_KEY", "AUDIT_ANCHOR_PLACES"}
_CELERY = ("celery", "-A", "config.celery")


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
    provisioning = _without(environment, _FOR_COMMANDS_ONLY - {"MIGRATION_DATABASE_URL"})
    serving = _without(
        environment, _FOR_COMMANDS_ONLY | _FOR_THE_RELAY | _FOR_AUDITING | _FOR_ANCHORS
    )
    relaying = _without(environment, _FOR_COMMANDS_ONLY | _FOR_ANCHORS)

    def program(
        name: str, *arguments: str, ready_line: str | None, env: Mapping[str, str]
    ) -> Program:
        return Program(
            name,
            [PYTHON, *arguments],
            environment={**os.environ, **env, "PYTHONUNBUFFERED": "1"},
            directory=ROOT,
            logs=state.logs,
            ready_line=ready_line,
        )

    family = ("-m", "scripts.stack.family")
    beat = (*_CELERY, "beat", "-l", "INFO", "--schedule", str(state.schedule), "--pidfile=")
    return [
        program("web", *family, *_gunicorn(port), ready_line=None, env=serving),
        program(
            "worker",
            *family,
            *_CELERY,
            "worker",
            "-l",
            "INFO",
            "--concurrency",
            "2",
            ready_line=r"\bready\.$",
            env=serving,
        ),
        program(
            "provisioner",
            *family,
            *_CELERY,
            "worker",
            *("-l", "INFO", "-Q", "provisioning", "--pool", "solo", "-n", "provisioner@%h"),
            ready_line=r"\bready\.$",
            env=provisioning,
        ),
        program("beat", *family, *beat, ready_line="beat: Starting", env=serving),
        program(
            "relay", "manage.py", "audit", "relay", ready_line="The relay is working", env=relaying
        ),
    ]


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


def _gunicorn(port: int) -> tuple[str, ...]:
    binds = []
    for address in loopback_addresses():
        binds += ["--bind", f"[{address}]:{port}" if ":" in address else f"{address}:{port}"]
    return (
        "gunicorn",
        "config.asgi:application",
        *("-k", "asgi", "--workers", "2", "--graceful-timeout", "5"),
        # It would lie in a directory that all quickstarts of this user share.
        "--no-control-socket",
        # Whom X-Forwarded-Proto is believed of, TRUSTED_PROXIES alone says.
        *("--forwarded-allow-ips", ""),
        *binds,
    )


def _without(environment: Mapping[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in names}
