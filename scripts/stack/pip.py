"""Run pip, and turn its failures into one line."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.stack.errors import StackError, last_lines
from scripts.stack.process import spawn

# What pip prints, and what it means; the first that occurs decides.
_CAUSES = (
    ("No space left on device|Disk quota exceeded", "the disk is full"),
    ("DO NOT MATCH THE HASHES", "a package differs from its locked hash"),
    (
        "name resolution|Name or service not known|nodename nor servname|NewConnectionError"
        "|Network is unreachable|Connection refused|Connection reset|ConnectTimeoutError"
        "|Read timed out|ProxyError",
        "the package index cannot be reached (network, proxy, or pip's configuration)",
    ),
    ("SSLError|CERTIFICATE_VERIFY_FAILED", "the package index has an untrusted certificate"),
    (
        "No matching distribution found|Could not find a version",
        "the package index lacks a locked package for this machine",
    ),
    ("Permission denied", "no permission to write"),
)


def run(arguments: Sequence[str], *, python: Path, log: Path) -> None:
    """Run pip of this interpreter with the user's own configuration (mirrors, certificates).

    Raises:
        StackError: pip failed; the message says why as far as its output tells.
    """
    with log.open("wb") as output:
        child = spawn(
            [
                python,
                "-m",
                "pip",
                "--disable-pip-version-check",
                "--no-input",
                *arguments,
            ],
            # A configured `user = true` makes pip refuse inside a virtual environment.
            env={**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"},
            stdout=output,
        )
        code = wait(child)
    if code != 0:
        text = log.read_text(errors="replace")
        cause = next(
            (cause for signs, cause in _CAUSES if re.search(signs, text)),
            f"pip ended with {code}",
        )
        raise StackError(f"Cannot install: {cause}; see {log}", details=last_lines(log, count=4))


def wait(child: subprocess.Popen[bytes]) -> int:
    """Wait for a child; leave none behind when we are interrupted."""
    try:
        return child.wait()
    except BaseException:
        child.kill()
        child.wait()
        raise
