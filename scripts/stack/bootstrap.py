"""Make the virtual environment: `.venv` in the repository root, from a locked requirements file.

A stamp inside it, written last, says what was installed; without the stamp the environment is
made anew. Runs on the bare system Python.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from scripts.stack import pip
from scripts.stack.errors import StackError, last_lines
from scripts.stack.locks import exclusive
from scripts.stack.paths import ROOT
from scripts.stack.process import spawn

Requirements = Literal["base", "local"]
_NEEDED_BYTES = 500_000_000
_IN_USE = "in-use.lock"


@dataclass(frozen=True)
class Stamp:
    """What an environment contains. `local` is a superset of `base`."""

    python: str
    base: str
    local: str | None


def ensure_environment(
    requirements: Requirements,
    *,
    announce: Callable[[str], None] = lambda text: None,
    root: Path = ROOT,
) -> Path:
    """Return the environment's Python, with these requirements installed.

    `announce` is called before the work if there is any.

    Raises:
        StackError: with what to do about it.
    """
    venv = root / ".venv"
    if not _satisfies(venv, requirements, root=root):
        if venv.is_symlink():
            # Others work in it, and their locks lie beside their own links.
            raise StackError(
                f"{venv} is a link to an environment that does not have what"
                f" requirements/{requirements}.txt lists; bring it up to date where it lies,"
                " or remove the link"
            )
        try:
            with exclusive(root / ".venv.lock"):
                # Another start may have done it while this one waited.
                if not _satisfies(venv, requirements, root=root):
                    announce(f"Installing requirements/{requirements}.txt into {venv} ...")
                    _install(venv, requirements, root=root)
        except OSError as error:
            raise _explained(error, venv) from error
    return venv / "bin" / "python"


def hold_in_use(venv: Path) -> None:
    """Keep others from making this environment anew as long as this process lives.

    Also after it has become another program; its children do not inherit that.
    """
    descriptor = os.open(venv / _IN_USE, os.O_RDONLY | os.O_CREAT, 0o644)
    os.set_inheritable(descriptor, True)
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def _satisfies(venv: Path, requirements: Requirements, *, root: Path) -> bool:
    stamp = _read_stamp(venv)
    if stamp is None or stamp.python != _python_version():
        return False
    if not (venv / "bin" / "python").exists():  # The Python it was made from has been removed.
        return False
    if requirements == "local":
        return stamp.local == _digest(root, "local")
    return stamp.base == _digest(root, "base")


def _install(venv: Path, requirements: Requirements, *, root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < _NEEDED_BYTES:
        raise StackError(
            f"Only {free // 10**6} MB are free in {root}; the installation needs"
            f" {_NEEDED_BYTES // 10**6} MB"
        )
    stamp = _read_stamp(venv)
    installed_local = stamp is not None and stamp.local is not None
    if stamp is None or stamp.python != _python_version() or not _has_python(venv):
        _create(venv)
        installed_local = False
    (venv / "stamp.json").unlink(missing_ok=True)
    # An environment that has the development tools keeps them when the lock changes.
    wanted: Requirements = "local" if installed_local else requirements
    lock = root / "requirements" / f"{wanted}.txt"
    # Of what is about to be installed: the lock may change while pip works.
    stamp = Stamp(
        python=_python_version(),
        base=_digest(root, "base"),
        local=_digest(root, "local") if wanted == "local" else None,
    )
    pip.run(
        ["install", "--require-hashes", "-r", str(lock)],
        python=venv / "bin" / "python",
        log=venv / "install.log",
    )
    _write_stamp(venv, stamp)


def _create(venv: Path) -> None:
    marker = venv / "made-by-freehold"
    if venv.is_dir() and any(venv.iterdir()) and not marker.exists():
        raise StackError(f"{venv} was not made by these scripts; move it away or delete it")
    _refuse_if_in_use(venv)
    _empty(venv, keep=marker)
    venv.mkdir(exist_ok=True)
    marker.touch()
    (venv / _IN_USE).touch()  # whoever uses it later may not be allowed to write here
    log = venv / "install.log"
    with log.open("wb") as output:
        # The base interpreter, because ours may be the one inside the directory just emptied.
        code = pip.wait(
            spawn([sys._base_executable, "-m", "venv", venv], stdout=output)  # type: ignore[attr-defined]
        )
    if code != 0:
        raise _venv_failure(venv, log)


def _venv_failure(venv: Path, log: Path) -> StackError:
    text = log.read_text(errors="replace")
    if "No space left" in text:
        return StackError(f"Cannot make {venv}: the disk is full")
    if "ensurepip" in text or "No module named venv" in text:
        version = _python_version()
        return StackError(
            f"Python {version} lacks the venv module or pip; on Debian and Ubuntu:"
            f" apt install python{version}-venv"
        )
    return StackError(f"Cannot make {venv}", details=last_lines(log))


def _empty(venv: Path, *, keep: Path) -> None:
    # The marker stays, so that an interrupted removal is not taken for somebody else's directory.
    if not venv.is_dir():
        return
    for entry in venv.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry != keep:
            entry.unlink()


def _refuse_if_in_use(venv: Path) -> None:
    try:
        descriptor = os.open(venv / _IN_USE, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StackError(
            f"{venv} must be made anew for Python {_python_version()}, and is in use: first stop"
            " the tests that run, or the quickstart (scripts/quickstart --stop)"
        ) from None
    finally:
        os.close(descriptor)


def _has_python(venv: Path) -> bool:
    python = venv / "bin" / "python"
    return python.exists() and subprocess.call([python, "-c", ""]) == 0


def _python_version() -> str:
    # Without the patch level: an environment survives the distribution's security updates.
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _digest(root: Path, name: Requirements) -> str:
    return hashlib.sha256((root / "requirements" / f"{name}.txt").read_bytes()).hexdigest()


def _read_stamp(venv: Path) -> Stamp | None:
    try:
        return Stamp(**json.loads((venv / "stamp.json").read_text()))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def _write_stamp(venv: Path, stamp: Stamp) -> None:
    temporary = venv / "stamp.json.new"
    temporary.write_text(json.dumps(asdict(stamp)))
    temporary.replace(venv / "stamp.json")


def _explained(error: OSError, venv: Path) -> StackError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StackError(f"Cannot make {venv}: the disk is full")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StackError(f"Cannot make {venv}: no permission to write there")
    return StackError(f"Cannot make {venv}: {error}")
