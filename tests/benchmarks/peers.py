"""Peers that are no part of the product, in a directory of their own that only their processes see."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from scripts.stack import pip
from scripts.stack.locks import exclusive
from scripts.stack.paths import PYTHON, ROOT, VENV

_LOCK = ROOT / "requirements" / "peers.txt"


def ensure_peers() -> Path:
    """Install the locked peers unless they are there; what they depend on is the product's own.

    So all contenders have the same Django and the same driver. The directory is named after the lock
    file and appears by a rename: it is whole or absent.
    """
    target = VENV / f"peers-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]}"
    if not target.is_dir():
        with exclusive(VENV / "peers.lock"):
            if not target.is_dir():
                _install(target)
    return target


def _install(target: Path) -> None:
    for interrupted in VENV.glob("peers-new-*"):
        shutil.rmtree(interrupted)
    new = Path(tempfile.mkdtemp(dir=VENV, prefix="peers-new-"))
    try:
        pip.run(
            [
                "install",
                "--require-hashes",
                "--no-deps",
                f"--target={new}",
                f"--requirement={_LOCK}",
            ],
            python=PYTHON,
            log=VENV / "peers.log",
        )
        new.chmod(0o755)
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
