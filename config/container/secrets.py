"""`python -m config.container.secrets DIRECTORY`: what a new installation must keep secret, a file each.

A file that is there is left alone, whatever is in it; so a second start changes nothing, and a newer
version adds what it needs besides.
"""

import base64
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

_LOGINS = (
    "admin", "app", "owner", "relay",
    "audit_admin", "audit_writer", "audit_reader", "audit_auditor", "audit_retention", "audit_owner",
)  # fmt: skip


def _text() -> str:
    return secrets.token_urlsafe(48)


def _keys() -> str:
    return f"first:{_text()}"


def _ed25519_seed() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")


FILES: Mapping[str, Callable[[], str]] = {
    "secret_key": _text,
    "jwt_signing_keys": _keys,
    "audit_anchor_key": _ed25519_seed,
    "audit_sealing_keys": _keys,
    "auth_encryption_keys": _keys,
    "metrics_token": _text,
    **{f"{login}_password": _text for login in _LOGINS},
}


def main(arguments: list[str]) -> NoReturn:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.exit("usage: python -m config.container.secrets DIRECTORY")
    directory = Path(arguments[0])
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = [name for name, value in FILES.items() if _write(directory / name, value)]
    except OSError as error:
        sys.exit(f"secrets: {error.filename}: {error.strerror}")
    print(f"secrets: {len(made)} made, {len(FILES) - len(made)} kept in {directory}")
    sys.exit(0)


def _write(path: Path, value: Callable[[], str]) -> bool:
    """Whole or not at all; never in the place of one that is there."""
    if path.exists():
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400)
    with os.fdopen(descriptor, "w") as file:
        file.write(value())
        file.flush()
        os.fsync(file.fileno())
    try:
        # Two at once: a link is made once.
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
