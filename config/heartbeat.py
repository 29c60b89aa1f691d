"""`python -m config.heartbeat NAME --seconds N`: does this process work? Exit 0 or 1, for probes.

Starts without Django, because an orchestrator asks several times a minute.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from shared_apps.core import heartbeat

NAMES = ("worker", "provisioner", "beat", "relay")


def main(arguments: Sequence[str]) -> NoReturn:
    parser = argparse.ArgumentParser(
        prog="python -m config.heartbeat",
        description="Exit 0 if the process has worked within so many seconds, else 1.",
    )
    parser.add_argument("name", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=float, default=60.0, help="(60)")
    parser.add_argument(
        "--working",
        action="store_true",
        help="exit 1 also while it waits for a server that is away, as a liveness probe must not",
    )
    options = parser.parse_args(arguments)
    directory = os.environ.get("HEARTBEAT_DIR", "")
    if not directory:
        sys.exit("HEARTBEAT_DIR is not set")
    state = heartbeat.read(directory, options.name)
    if state is None:
        sys.exit(f"{options.name} has not said anything yet")
    if state.age > options.seconds:
        sys.exit(f"{options.name} has been silent for {state.age:.0f} s")
    print(f"{options.name} {f'waits for {state.waits_for}' if state.waits_for else 'works'}")
    sys.exit(1 if options.working and state.waits_for else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
