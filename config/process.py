"""What this process is, from the command that started it."""

import sys
from collections.abc import Sequence
from pathlib import Path


def process_kind(argv: Sequence[str] | None = None) -> str:
    """`web`, `worker`, `beat`, or the name of the command (`migrate`)."""
    program, *arguments = [*(sys.argv if argv is None else argv), ""]
    match Path(program).stem:
        case "gunicorn":
            return "web"
        case "celery" | "__main__" if "worker" in arguments:
            return "worker"
        case "celery" | "__main__" if "beat" in arguments:
            return "beat"
        case "manage" if arguments[0]:
            return arguments[0]
        case "__main__" if Path(program).parent.name == "gunicorn":
            return "web"
        case name:
            return name or "python"
