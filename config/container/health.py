"""What the image's HEALTHCHECK asks: whether the program that is process 1 works."""

import http.client
import os
import sys
from pathlib import Path
from typing import NoReturn

from config import heartbeat
from config.process import process_kind

_SECONDS = 60


def main() -> NoReturn:
    arguments = Path("/proc/1/cmdline").read_bytes().decode(errors="replace").split("\0")
    match _program(arguments):
        case "web":
            sys.exit(0 if _answers(os.environ.get("WEB_BIND", "")) else 1)
        case name if name in heartbeat.NAMES:
            heartbeat.main([name, "--seconds", str(_SECONDS)])
    # Still preparing, or a command of somebody's own.
    sys.exit(1)


def _program(arguments: list[str]) -> str:
    if "flower" in arguments:
        return "flower"
    if "relay" in arguments:
        return "relay"
    if any(argument.startswith("provisioner@") for argument in arguments):
        return "provisioner"
    for index, argument in enumerate(arguments):
        if argument == "-m":
            return process_kind(arguments[index + 1 :])
    return process_kind(arguments)


def _answers(bind: str) -> bool:
    port = bind.split(",")[0].rpartition(":")[2] or "5000"
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=5)
    try:
        connection.request("GET", "/health/ready", headers={"Host": "localhost"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
