"""Hand over to a supported Python.

Runs first and on whatever `python3` is, so it parses on any Python 3 and imports nothing of ours.
"""

import os
import shutil
import subprocess
import sys

SUPPORTED = ("3.13", "3.12", "3.11")


def ensure_supported() -> None:
    """Return on a supported Python; else run the script again on one from PATH, or exit."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if version in SUPPORTED:
        return
    for candidate in SUPPORTED:
        path = shutil.which("python" + candidate)
        if path and _runs(path, candidate):
            os.execv(path, [path] + sys.argv)  # noqa: RUF005 - must parse on an old Python
    sys.exit(
        f"Freehold needs Python 3.11, 3.12 or 3.13; python3 is {version} and PATH has no other. "
        "Install one, for example: apt install python3.11 python3.11-venv"
    )


def _runs(path: str, version: str) -> bool:
    # A version manager's shim exists for versions that are not enabled, and then only fails.
    code = "import sys; print('{}.{}'.format(*sys.version_info))"
    try:
        output = subprocess.check_output([path, "-c", code], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return False
    return output.decode().strip() == version
