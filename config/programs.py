"""What runs in an installation: the commands, and which secrets each may not have.

Quickstart and the image start them alike. Imports nothing of Django: it is read before that is there.
"""

from collections.abc import Mapping

# Logins that own schemas or servers, or may take audit entries away: for commands that a person runs, not for what serves requests.
# The provisioner has one of them, because it does what `manage.py tenant apply` does.
_FOR_COMMANDS_ONLY = frozenset(
    [
        "ADMIN_DATABASE_URL",
        "AUDIT_ADMIN_DATABASE_URL",
        "MIGRATION_DATABASE_URL",
        "AUDIT_MIGRATION_DATABASE_URL",
        "AUDIT_RETENTION_DATABASE_URL",
    ]
)
_FOR_THE_RELAY = frozenset(["RELAY_DATABASE_URL"])
# Reads all trails: for what signs their ends, and what sends them on.
_FOR_AUDITING = frozenset(["AUDIT_AUDITOR_DATABASE_URL"])
_FOR_ANCHORS = frozenset(["AUDIT_ANCHOR_KEY", "AUDIT_ANCHOR_PLACES"])
_NOT_FOR_SERVING = _FOR_COMMANDS_ONLY | _FOR_THE_RELAY | _FOR_AUDITING | _FOR_ANCHORS

# Without the banner: what they write is their log alone.
_CELERY = ("-m", "celery", "-A", "config.celery", "--quiet")

WITHHELD: Mapping[str, frozenset[str]] = {
    "web": _NOT_FOR_SERVING,
    "worker": _NOT_FOR_SERVING,
    "provisioner": _FOR_COMMANDS_ONLY - {"MIGRATION_DATABASE_URL"},
    "beat": _NOT_FOR_SERVING,
    "relay": _FOR_COMMANDS_ONLY | _FOR_ANCHORS,
    "flower": _NOT_FOR_SERVING,
}


def environment_of(program: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what the program may not have, given as a value or as a file."""
    withheld = {name + end for name in WITHHELD[program] for end in ("", "_FILE")}
    return {name: value for name, value in environment.items() if name not in withheld}


# What follows are arguments of Python.


def web(*binds: str, workers: int, graceful_seconds: int) -> tuple[str, ...]:
    return (
        *("-m", "gunicorn", "-c", "python:config.gunicorn", "config.asgi:application"),
        *("--workers", str(workers), "--graceful-timeout", str(graceful_seconds)),
        *(argument for bind in binds for argument in ("--bind", bind)),
    )


def worker(*, concurrency: int) -> tuple[str, ...]:
    return (*_CELERY, "worker", "-l", "INFO", "--concurrency", str(concurrency))


def provisioner() -> tuple[str, ...]:
    return (
        *(*_CELERY, "worker", "-l", "INFO"),
        *("-Q", "provisioning", "--pool", "solo", "-n", "provisioner@%h"),
    )


def beat(*, schedule: str) -> tuple[str, ...]:
    return (*_CELERY, "beat", "-l", "INFO", "--schedule", schedule, "--pidfile=")


def relay() -> tuple[str, ...]:
    return ("manage.py", "audit", "relay")


def flower(*, port: int) -> tuple[str, ...]:
    return (*_CELERY, "flower", f"--port={port}")
