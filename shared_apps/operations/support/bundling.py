"""`installation support-bundle`: one file to be sent to somebody who helps."""

import io
import json
import os
import secrets
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from shared_apps.operations.errors import BundleError
from shared_apps.operations.support import facts
from shared_apps.operations.support.scrubbing import Scrubber

_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Bundle:
    path: Path
    files: tuple[str, ...]
    size: int


def make_bundle(path: Path, *, logs: Sequence[Path], log_bytes: int) -> Bundle:
    """Write facts and the ends of logs into a new file for its owner, with nothing secret in it.

    Everything that is written was searched for what this process knows to be secret; if any of it were
    still there, there would be no file.

    Raises:
        BundleError: there is something at `path`, a log cannot be read, or something secret was left.
    """
    if path.exists() or path.is_symlink():
        raise BundleError(f"There is something at {path} already.")
    scrubber = Scrubber(settings.SECRET_VALUES)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    names: list[str] = []
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with (
            os.fdopen(descriptor, "wb") as file,
            tarfile.open(fileobj=file, mode="w:gz", compresslevel=_LEVEL) as tar,
        ):
            for name, text in _contents(scrubber, logs, log_bytes):
                if scrubber.finds(text):
                    raise BundleError(
                        f"{name} would hold a secret: there is no bundle. Please report this."
                    )
                _add(tar, name, text)
                names.append(name)
        os.link(part, path)
    except FileExistsError:
        raise BundleError(f"There is something at {path} already.") from None
    except OSError as error:
        raise BundleError(f"The bundle could not be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return Bundle(path, tuple(names), path.stat().st_size)


def _contents(
    scrubber: Scrubber, logs: Sequence[Path], log_bytes: int
) -> Iterator[tuple[str, str]]:
    for name, fact in facts.gather():
        yield name, json.dumps(scrubber.value(fact), indent=1)
    for log in _log_files(logs):
        yield f"logs/{log.name}", scrubber.text(_end_of(log, log_bytes))


def _log_files(logs: Sequence[Path]) -> Iterator[Path]:
    for path in logs:
        if path.is_dir():
            yield from sorted(entry for entry in path.iterdir() if entry.is_file())
        else:
            yield path


def _end_of(path: Path, most: int) -> str:
    """From the beginning of a line on."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            data = file.read(most)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    text = data.decode(errors="replace")
    return text.partition("\n")[2] if size > most else text


def _add(tar: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    info = tarfile.TarInfo(f"freehold-support/{name}")
    info.size, info.mode, info.mtime = len(data), 0o600, int(time.time())
    tar.addfile(info, io.BytesIO(data))
