"""What looks at chart and playbooks: helm, kubernetes-validate and the like, in .venv beside the rest."""

import hashlib
import importlib
from pathlib import Path

from scripts.stack import pip
from scripts.stack.locks import exclusive
from scripts.stack.paths import PYTHON, ROOT, VENV

_LOCK = ROOT / "requirements" / "deploy.txt"


def ensure_deploy_tools() -> Path:
    """The directory of their programs; installs what requirements/deploy.txt lists unless it is there.

    Raises:
        StackError: with what to do about it.
    """
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    stamp = VENV / "deploy.sha256"
    if not _says(stamp, digest):
        with exclusive(VENV / "deploy.lock"):
            if not _says(stamp, digest):
                stamp.unlink(missing_ok=True)
                pip.run(
                    ["install", "--require-hashes", "--requirement", str(_LOCK)],
                    python=PYTHON,
                    log=VENV / "deploy.log",
                )
                stamp.write_text(digest)
        importlib.invalidate_caches()
    return VENV / "bin"


def _says(stamp: Path, digest: str) -> bool:
    try:
        return stamp.read_text() == digest
    except FileNotFoundError:
        return False
