"""`tenant run`: any management command in a tenant's context."""

import sys
from argparse import ArgumentParser
from collections import defaultdict
from typing import Any

from django.core.management.base import CommandError

from shared_apps.core import context
from shared_apps.onboarding.actions.base import Action, ActionParser, Options, write_json
from shared_apps.onboarding.tenant_commands import running
from shared_apps.onboarding.tenant_commands.child import require_state
from shared_apps.onboarding.tenant_commands.commands import TenantCommand, prepare
from shared_apps.onboarding.tenant_commands.running import Outcome, Result
from shared_apps.tenants import selectors, versions
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant

_STATES = (TenantState.ACTIVE, TenantState.SUSPENDED)
_MOST_JOBS = 32
_LARGEST_OUTPUT = 1 << 20  # characters of one stream of one tenant, in JSON
_LONGEST_LIST = 10


def _add_arguments(parser: ArgumentParser) -> None:
    assert isinstance(parser, ActionParser)
    parser.takes_rest = True
    parser.usage = "manage.py tenant run (SLUG | --all) [options] -- COMMAND [ARGUMENT …]"
    parser.add_argument("slug", nargs="?", metavar="SLUG")
    parser.add_argument("--all", action="store_true", help="each active tenant")
    parser.add_argument(
        "--state",
        action="append",
        choices=[state.lower() for state in _STATES],
        help="tenants in this state (active); may be repeated",
    )
    parser.add_argument("--jobs", type=int, default=1, help="tenants at a time (1)")
    parser.add_argument(
        "--stop-on-failure", action="store_true", help="begin no other tenant after one failed"
    )
    parser.add_argument("--json", action="store_true")


def _run(options: Options, *, stdout: Any, stderr: Any) -> None:
    if options["all"] == (options["slug"] is not None):
        raise CommandError("name one tenant, or all of them by --all")
    if not 1 <= options["jobs"] <= _MOST_JOBS:
        raise CommandError(f"--jobs is from 1 to {_MOST_JOBS}")
    command = prepare(options["rest"])
    states = frozenset(TenantState(s.upper()) for s in options["state"] or ["active"])
    tenants = _tenants(options["slug"], states)
    if options["slug"] and not options["json"]:
        code = running.run_for_one(tenants[0], command, states=states)
        if code:
            sys.exit(code if code > 0 else 128 - code)
        return
    _run_for_all(tenants, command, states, options, stdout=stdout, stderr=stderr)


def _tenants(slug: str | None, states: frozenset[TenantState]) -> list[Tenant]:
    if slug is None:
        with context.operator():
            return list(selectors.list_tenants().filter(state__in=states))
    tenant = selectors.get_tenant(slug=slug)
    require_state(slug=slug, state=TenantState(tenant.state), states=states)
    versions.require_current(tenant.identity)
    return [tenant]


def _run_for_all(
    tenants: list[Tenant],
    command: TenantCommand,
    states: frozenset[TenantState],
    options: Options,
    *,
    stdout: Any,
    stderr: Any,
) -> None:
    collected = _Collected()

    def show(slug: str, stream: str, line: str) -> None:
        if options["json"]:
            collected.add(slug, stream, line)
        else:
            (stdout if stream == running.STDOUT else stderr).write(f"{slug} | {line}")

    def report(outcome: Outcome, done: int) -> None:
        stderr.write(f"[{done}/{len(tenants)}] {_line(outcome)}")

    result = running.run_for_all(
        tenants,
        command,
        options=running.Options(
            states=states, jobs=options["jobs"], stops_on_failure=options["stop_on_failure"]
        ),
        on_line=show,
        on_done=report,
    )
    if options["json"]:
        write_json(stdout, _as_json(command, result, collected))
    _conclude(result, stderr)


def _line(outcome: Outcome) -> str:
    said = f"failed: {outcome.reason}" if outcome.exit_code else "done"
    return f"{outcome.slug}: {said} ({outcome.seconds:.1f} s)"


def _conclude(result: Result, stderr: Any) -> None:
    done = len(result.outcomes) - len(result.failed)
    text = f"{done} done, {len(result.failed)} failed"
    if result.not_begun:
        text += f", {len(result.not_begun)} not begun: {_some(result.not_begun)}"
    stderr.write(f"{text} (request_id {result.run_id} in the trail)")
    if result.failed:
        raise CommandError(f"failed: {_some([outcome.slug for outcome in result.failed])}")
    if result.not_begun:
        raise CommandError("stopped", returncode=130)


def _some(slugs: Any) -> str:
    more = len(slugs) - _LONGEST_LIST
    return ", ".join(slugs[:_LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")


class _Collected:
    """What the commands wrote, as far as it fits."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._sizes: dict[tuple[str, str], int] = defaultdict(int)

    def add(self, slug: str, stream: str, line: str) -> None:
        self._sizes[slug, stream] += len(line) + 1
        if self._sizes[slug, stream] <= _LARGEST_OUTPUT:
            self._lines[slug, stream].append(line)

    def text(self, slug: str, stream: str) -> str:
        return "".join(f"{line}\n" for line in self._lines[slug, stream])

    def is_cut(self, slug: str) -> bool:
        return any(
            self._sizes[slug, stream] > _LARGEST_OUTPUT
            for stream in (running.STDOUT, running.STDERR)
        )


def _as_json(command: TenantCommand, result: Result, collected: _Collected) -> dict[str, Any]:
    return {
        "command": command.name,
        "request_id": result.run_id,
        "tenants": [
            {
                "slug": outcome.slug,
                "exit_code": outcome.exit_code,
                "error": outcome.reason,
                "milliseconds": int(outcome.seconds * 1000),
                "stdout": collected.text(outcome.slug, running.STDOUT),
                "stderr": collected.text(outcome.slug, running.STDERR),
                "is_cut": collected.is_cut(outcome.slug),
            }
            for outcome in result.outcomes
        ],
        "not_begun": list(result.not_begun),
    }


ACTIONS = (Action("run", "run any command in a tenant's context", _run, _add_arguments),)
