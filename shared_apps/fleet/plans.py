"""The plans of one run: each compiled once, whichever thread needs it first."""

import threading
from collections.abc import Callable
from dataclasses import replace

from shared_apps.fleet import selectors, templates
from shared_apps.fleet.compiling import Plan, compile_plan
from shared_apps.fleet.errors import DatabaseAheadError
from shared_apps.fleet.history import History, Node, name_of
from shared_apps.fleet.models import SchemaTemplate
from shared_apps.fleet.replay import Replay, nodes_of, prepare

Examine = Callable[[History], None]


class Plans:
    """Plans by what a schema was wholly at last, so that one that stopped between two goes on with its own."""

    def __init__(self, *, examine: Examine) -> None:
        self._examine = examine
        self._lock = threading.Lock()
        self._known: dict[object, Plan] = {}
        self._templates: dict[str, SchemaTemplate | None] = {}
        self._replays: dict[tuple[str, str], Replay] = {}
        self._labels = History().labels

    def prepare(self, fingerprints: set[str]) -> None:
        """Compile what can be known before any schema is looked at.

        Raises what `examine` raises.
        """
        for fingerprint in sorted(fingerprints):
            template = self._template(fingerprint)
            if template is not None:
                self._from_template(template)

    def replay_for(self, *, applied: str, fingerprint: str) -> Replay:
        """The plan for a schema with these rows (`replay.read_applied`), as it is sent.

        Raises:
            DatabaseAheadError: it has migrations that this code does not know.
        """
        known = self._replays.get((applied, fingerprint))
        if known is None:
            plan = self._plan_for(nodes_of(applied), fingerprint)
            known = prepare(plan, fingerprint=selectors.get_target().fingerprint)
            self._replays[applied, fingerprint] = known
        return known

    def _plan_for(self, applied: set[Node], fingerprint: str) -> Plan:
        """What is applied of a plan already is left out."""
        own = {node for node in applied if node[0] in self._labels}
        with self._lock:
            template = self._template(fingerprint)
            plan = self._from_template(template) if template is not None else None
            base = set(template.migrations) if template is not None else set()
            remaining = _remaining(plan, base, own) if plan is not None else None
            return remaining if remaining is not None else self._from_rows(own)

    def _from_template(self, template: SchemaTemplate) -> Plan:
        if template.fingerprint not in self._known:
            nodes = [tuple(name.split(".", 1)) for name in template.migrations]
            history = self._history({(node[0], node[1]) for node in nodes})
            self._known[template.fingerprint] = self._compile(history, template.script)
        return self._known[template.fingerprint]

    def _from_rows(self, own: set[Node]) -> Plan:
        key = frozenset(own)
        if key not in self._known:
            self._known[key] = self._compile(self._history(own), None)
        return self._known[key]

    def _history(self, own: set[Node]) -> History:
        history = History(own)
        require_known(history)
        self._examine(history)
        return history

    def _compile(self, history: History, base: str | None) -> Plan:
        target = selectors.get_target().fingerprint
        is_kept = selectors.find_template(fingerprint=target) is not None
        plan = compile_plan(history, base=base, renders=not is_kept)
        templates.keep(plan.template)
        return plan

    def _template(self, fingerprint: str) -> SchemaTemplate | None:
        if not fingerprint:
            return None
        if fingerprint not in self._templates:
            self._templates[fingerprint] = selectors.find_template(fingerprint=fingerprint)
        found = self._templates[fingerprint]
        return found if found is not None and found.script else None


def require_known(history: History) -> None:
    """Raises DatabaseAheadError: a schema has migrations that this code does not know."""
    if history.unknown:
        names = ", ".join(map(name_of, history.unknown))
        raise DatabaseAheadError(f"newer code has applied {names}; deploy that code")


def _remaining(plan: Plan, base: set[str], own: set[Node]) -> Plan | None:
    """The rest of a plan for a schema that has its base and a beginning of it; None if it has not."""
    has = {name_of(node) for node in own}
    planned = plan.names
    done = has - base
    if not base <= has or done != set(planned[: len(done)]):
        return None
    return replace(plan, migrations=plan.migrations[len(done) :])
