"""Plans and results for people and for programs. Nothing here has ever seen a secret."""

import json
from typing import Any

from shared_apps.onboarding.comparing import Difference
from shared_apps.onboarding.planning import Action, Change, Plan
from shared_apps.onboarding.provisioning.applying import Outcome, Result

NO_CHANGES = "no changes"
_SIGNS = {
    Action.CREATE: "+",
    Action.COMPLETE: "+",
    Action.CHANGE: "~",
    Action.SUSPEND: "‖",
    Action.RESUME: "▶",
    Action.ARCHIVE: "-",
}
_LONGEST_LIST = 10
_LONGEST_VALUE = 160  # characters; the whole of it is in --json


def plan_lines(plan: Plan) -> list[str]:
    lines: list[str] = []
    for change in plan.changes:
        lines.append(f"{_SIGNS[change.action]} {change.slug}: {change.action.value}")
        lines += [f"    {_difference(found, change)}" for found in change.differences]
    if plan.changes:
        counted = [
            f"{number} to {action.value}"
            for action in Action
            if (number := sum(change.action == action for change in plan.changes))
        ]
        lines.append(f"{', '.join(counted)}; {plan.unchanged} unchanged")
    else:
        lines.append(NO_CHANGES)
    if plan.undeclared:
        lines.append(f"left alone, because the file does not name them: {_some(plan.undeclared)}")
    return lines


def _difference(found: Difference, change: Change) -> str:
    if found.old is None:
        sign = "" if change.action == Action.CREATE else "+ "
        return f"{found.field}: {sign}{_value(found.new)}"
    if found.new is None:
        return f"{found.field}: {_value(found.old)} → the default"
    return f"{found.field}: {_value(found.old)} → {_value(found.new)}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    # Quoted where it could be taken for something else, so that no name can forge a line.
    if isinstance(value, str) and value.isprintable() and value == value.strip():
        return value
    text = json.dumps(value, ensure_ascii=True)
    return (
        text
        if len(text) <= _LONGEST_VALUE
        else f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"
    )


def _some(slugs: tuple[str, ...]) -> str:
    more = len(slugs) - _LONGEST_LIST
    return ", ".join(slugs[:_LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")


def plan_as_json(plan: Plan) -> dict[str, Any]:
    return {
        "changes": [
            {
                "slug": change.slug,
                "action": change.action.value,
                "differences": [
                    {"field": found.field, "old": found.old, "new": found.new}
                    for found in change.differences
                ],
            }
            for change in plan.changes
        ],
        "unchanged": plan.unchanged,
        "undeclared": list(plan.undeclared),
    }


def result_as_json(plan: Plan, result: Result | None) -> dict[str, Any]:
    outcomes = result.outcomes if result else ()
    return {
        "run_id": str(result.run_id) if result else None,
        "results": [
            {
                "slug": outcome.slug,
                "action": outcome.action.value,
                "ok": not outcome.error,
                "error": outcome.error,
                "undone": outcome.is_undone,
                "milliseconds": int(outcome.seconds * 1000),
            }
            for outcome in outcomes
        ],
        "unchanged": plan.unchanged,
        "failed": len(result.failed) if result else 0,
    }


def outcome_line(outcome: Outcome) -> str:
    if outcome.error:
        undone = " (undone)" if outcome.is_undone else ""
        return f"{outcome.slug}: FAILED{undone}: {outcome.error}"
    return f"{outcome.slug}: {_DONE[outcome.action]} ({outcome.seconds:.1f} s)"


_DONE = {
    Action.CREATE: "created",
    Action.COMPLETE: "completed",
    Action.CHANGE: "changed",
    Action.SUSPEND: "suspended",
    Action.RESUME: "resumed",
    Action.ARCHIVE: "archived",
}


def summary_line(plan: Plan, result: Result) -> str:
    done = len(result.outcomes) - len(result.failed)
    return f"{done} applied, {len(result.failed)} failed, {plan.unchanged} unchanged"


def printable(value: Any) -> str:
    """On one line, whatever a directory wrote into it."""
    if isinstance(value, str) and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=True)
