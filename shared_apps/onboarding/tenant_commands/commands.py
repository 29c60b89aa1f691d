"""Which management commands can run for a tenant, and with which arguments."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from shared_apps.onboarding.errors import CommandNotForTenantsError, CommandUnknownError

PROGRAM = "manage.py"

# Of Django's own those that read or write rows; the others are about code, servers or all schemas.
_OF_DJANGO = frozenset({"clearsessions", "dumpdata", "inspectdb", "loaddata", "shell"})
# Theirs are about the installation: a tenant's role could not carry them out.
_NOT_FOR_TENANTS = ("shared_apps.", "django_tenants")


@dataclass(frozen=True, slots=True)
class TenantCommand:
    """A command that has been found fit, with arguments that it takes."""

    app: str
    name: str
    arguments: tuple[str, ...]

    @property
    def argv(self) -> list[str]:
        return [PROGRAM, self.name, *self.arguments]

    def load(self) -> BaseCommand:
        return load_command_class(self.app, self.name)


def prepare(words: Sequence[str]) -> TenantCommand:
    """Look at a command and its arguments before any tenant is touched; the system checks run once, here.

    Raises:
        CommandUnknownError, CommandNotForTenantsError: it cannot be run for a tenant.
        CommandError: it does not take these arguments, or the checks find an error.
    """
    if not words:
        raise CommandUnknownError(
            "Name the command behind --: tenant run acme -- dumpdata invoicing"
        )
    name, *arguments = words
    app = get_commands().get(name)
    if app is None:
        similar = difflib.get_close_matches(name, get_commands(), n=1)
        hint = f" Did you mean {similar[0]}?" if similar else ""
        raise CommandUnknownError(f"There is no command {name}.{hint}")
    if isinstance(app, BaseCommand):
        raise CommandNotForTenantsError(command=name)
    if app.startswith(_NOT_FOR_TENANTS) or (app.startswith("django.") and name not in _OF_DJANGO):
        raise CommandNotForTenantsError(
            f"{name} is for the whole installation, not for a tenant; run it without `tenant run`."
        )
    command = load_command_class(app, name)
    command.create_parser(f"{PROGRAM} tenant run … --", name).parse_args(arguments)
    if not command.requires_system_checks:
        return TenantCommand(app, name, tuple(arguments))
    command.check()
    return TenantCommand(app, name, ("--skip-checks", *arguments))
