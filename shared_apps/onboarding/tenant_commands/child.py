"""What the process of one tenant does.

A process of its own, forked from one that has set Django up and looked at no tenant: module state, caches,
translations, settings, threads, connections and open transactions of a command end with it and cannot reach
the next tenant, and a command that ends its process ends no other's.
"""

import contextvars
import os
import signal
import sys
import traceback
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

from shared_apps.core import attribution, context
from shared_apps.core.errors import AppError
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.onboarding.errors import TenantStateError
from shared_apps.onboarding.tenant_commands.commands import TenantCommand
from shared_apps.tenants import selectors, versions
from shared_apps.tenants.choices import TenantState


@dataclass(frozen=True, slots=True)
class Job:
    tenant_id: UUID
    slug: str
    command: TenantCommand
    states: Collection[TenantState]
    run_id: str
    """The trail names it as the request of every write, of every tenant."""


@dataclass(frozen=True, slots=True)
class Pipes:
    """Where output goes; without them a person at a terminal talks to the command."""

    stdout: int
    stderr: int


def work(job: Job, pipes: Pipes | None, stdin: int | None) -> None:
    """Ends with the exit code of the command."""
    _take_streams(pipes, stdin)
    try:
        contextvars.Context().run(_run, job)
    except AppError as error:
        sys.stderr.write(f"{error.text}\n")
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def _take_streams(pipes: Pipes | None, stdin: int | None) -> None:
    # The parent's handlers count what it is sent; this process does what every other one does.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if stdin is not None:
        os.dup2(stdin, 0)
        sys.stdin = _opened(0, "r")
    if pipes is not None:
        # Apart from the terminal's foreground: Ctrl-C there lets the tenant in hand finish.
        os.setpgrp()
        os.dup2(pipes.stdout, 1)
        os.dup2(pipes.stderr, 2)
    sys.stdout, sys.stderr = _opened(1, "w"), _opened(2, "w")


def _opened(descriptor: int, mode: str) -> Any:
    return open(descriptor, mode, buffering=1, encoding="utf-8", errors="replace", closefd=False)


def _run(job: Job) -> None:
    command = job.command
    who = replace(attribution.command(command.name), request_id=job.run_id)
    with attribution.acting(who):
        _lock_out_the_owner()
        # Asked now: it may have been suspended since the list was made.
        tenant = selectors.get_tenant_by_id(tenant_id=job.tenant_id)
        require_state(slug=job.slug, state=TenantState(tenant.state), states=job.states)
        versions.require_current(tenant.identity)
        with context.tenant(tenant.identity):
            command.load().run_from_argv(command.argv)


def require_state(*, slug: str, state: TenantState, states: Collection[TenantState]) -> None:
    """Raises TenantStateError."""
    if state in states:
        return
    hint = ""
    if state == TenantState.SUSPENDED:
        hint = " Add --state suspended where that is meant."
    elif state == TenantState.ARCHIVED:
        hint = " `tenant suspend` takes it out of the archive."
    raise TenantStateError(f"{slug} is {state.lower()}; commands run for active tenants.{hint}")


def _lock_out_the_owner() -> None:
    """Whatever asks for the login that owns the schemas (`--database migration`) gets the tenant's role."""
    for connection in connections.all(initialized_only=True):
        if connection.alias == MIGRATION_ALIAS:
            del connections[MIGRATION_ALIAS]
    connections.databases[MIGRATION_ALIAS] = connections.databases[DEFAULT_DB_ALIAS]
    # Where Django's own commands expect the tables of tenants; elsewhere they would find nothing to dump.
    settings.TENANT_DB_ALIAS = DEFAULT_DB_ALIAS
