"""Run manage.py beside the quickstart."""

import os
from collections.abc import Sequence
from typing import NoReturn

from scripts.stack import entry
from scripts.stack.environment import LOCAL_SETTINGS, Secrets, product_environment
from scripts.stack.errors import StackError
from scripts.stack.infra import Servers
from scripts.stack.paths import PYTHON, ROOT
from scripts.stack.state import State

# Commands that read code only.
_SERVERLESS = {"help", "version", "--version", "check", "makemigrations"}
# Port 9 is the discard service: nothing of ours answers there.
_NO_SERVERS = Servers(
    admin_url="postgresql://nobody@127.0.0.1:9/postgres",
    audit_admin_url="postgresql://nobody@127.0.0.1:9/postgres",
    redis_url="redis://127.0.0.1:9/0",
)


def serverless_environment(*, settings: str) -> dict[str, str]:
    """Valid settings that lead nowhere, with secrets for this call alone."""
    return product_environment(_NO_SERVERS, Secrets(), settings=settings)


def main(arguments: Sequence[str]) -> NoReturn:
    """Become manage.py.

    Raises:
        StackError: the command needs servers and no quickstart runs.
    """
    state = State.from_environment()
    if state.running_process() is not None and (stored := state.environment()) is not None:
        # Its own Python, whichever one this script was started with.
        python, environment = PYTHON, stored
    elif not arguments or arguments[0] in _SERVERLESS or {"--help", "-h"} & set(arguments):
        python = entry.prepare("base")
        environment = serverless_environment(settings=LOCAL_SETTINGS)
    else:
        raise StackError(
            f"No quickstart runs in {state.path}; start one with scripts/quickstart --detach"
        )
    command = [str(ROOT / "manage.py"), *arguments]
    entry.become(python, command, env={**os.environ, **environment}, stays_here=True)
