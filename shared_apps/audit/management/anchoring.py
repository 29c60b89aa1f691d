"""`manage.py audit anchor`: take an anchor now, or make a key for anchors."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shared_apps.audit import services
from shared_apps.audit.anchors import keys
from shared_apps.audit.anchors.keys import SigningKey
from shared_apps.core.errors import AppError, explain


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--new-key", metavar="FILE", type=Path,
        help="make a key instead; the file is for AUDIT_ANCHOR_KEY_FILE",
    )  # fmt: skip
    parser.add_argument(
        "--public-keys", metavar="FILE", type=Path,
        help="with --new-key: the JWK set that the public key is added to, for auditors",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Exit 1 if a place does not have the anchor, or a chain ends before one that was anchored."""
    try:
        if options["new_key"] or options["public_keys"]:
            _make_key(command, options)
        else:
            _take(command, options)
    except AppError as error:
        raise CommandError(explain(error)) from error


def _make_key(command: BaseCommand, options: dict[str, Any]) -> None:
    private, public = options["new_key"], options["public_keys"]
    if not (private and public):
        raise CommandError("--new-key and --public-keys belong together")
    key = SigningKey.generate()
    try:
        if private.exists():
            raise CommandError(f"{private} is there already; a key is never written over")
        # First, so that no key signs that auditors do not have.
        keys.add_public_key(public, key.public)
        keys.write_private_key(private, key)
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
    if options["json"]:
        command.stdout.write(json.dumps(key.public.jwk))
    else:
        command.stdout.write(f"key {key.public.id}: {private}; {public} holds its public half")


def _take(command: BaseCommand, options: dict[str, Any]) -> None:
    taken = services.take_anchor()
    if options["json"]:
        command.stdout.write(json.dumps(asdict(taken), default=str))
    else:
        command.stdout.write(f"anchor {taken.counter}: the ends of {taken.ends} chains")
        for place, reason in taken.failures.items():
            command.stdout.write(f"        not at {place}: {reason}")
        for chain in taken.set_back:
            command.stdout.write(
                f"        the chain of {chain.tenant_id} ends at {chain.sequence},"
                f" but was anchored up to {chain.anchored}"
            )
    if taken.failures or taken.set_back:
        raise SystemExit(1)
