"""Which migrations a schema should have, and which of them one with given rows lacks.

Of a tenant's schema only apps of TENANT_APPS count: what others do happens in the shared schema.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

Node = tuple[str, str]
"""App label and name of a migration."""

# Said on a migration whose rows may be the same in every tenant, so that they may be part of the template.
SEEDS_ATTRIBUTE = "seeds_tenants"

_NUMBER = re.compile(r"\d+")


class AppliedLoader(MigrationLoader):
    """Django's loader for a given set of applied migrations, without a database."""

    def __init__(self, applied: Iterable[Node]) -> None:
        self._applied: dict[Node, Any] = dict.fromkeys(applied)
        super().__init__(connection=None)

    @property
    def applied_migrations(self) -> dict[Node, Any]:  # type: ignore[override]
        return self._applied

    @applied_migrations.setter
    def applied_migrations(self, loaded: dict[Node, Any]) -> None:
        """Django's loader sets what it read from its connection: nothing, without one."""


@dataclass(frozen=True)
class Step:
    """One migration of a tenant's app, and how the project's state comes to the one before it."""

    node: Node
    migration: Migration
    is_applied: bool


class History:
    """The project's migrations in their order, seen from a schema with `applied`."""

    def __init__(self, applied: Iterable[Node] = (), *, labels: set[str] | None = None) -> None:
        """`labels`: the apps that count; those of tenants' schemas unless said otherwise."""
        self.given = set(applied)
        self._loader = AppliedLoader(self.given)
        self.labels = tenant_labels() if labels is None else labels

    @cached_property
    def order(self) -> list[Step]:
        """All migrations of the project; those of shared apps are there for the state alone.

        What is not to be run comes first, as far as it depends on nothing that is: once the models of a
        state are rendered, everything that goes on changing it takes ten times as long.
        """
        graph = self._loader.graph
        seen: dict[Node, None] = {}
        for leaf in sorted(graph.leaf_nodes()):
            seen.update(dict.fromkeys(graph.forwards_plan(leaf)))
        early: dict[Node, None] = {}
        for node in seen:
            is_run = node[0] in self.labels and node not in self._loader.applied_migrations
            if not is_run and all(parent.key in early for parent in graph.node_map[node].parents):
                early[node] = None
        return [
            Step(node, graph.nodes[node], node in self._loader.applied_migrations)
            for node in (early | seen)
        ]

    @property
    def steps(self) -> list[Step]:
        return [step for step in self.order if step.node[0] in self.labels]

    @property
    def wanted(self) -> list[Node]:
        return [step.node for step in self.steps]

    @property
    def missing(self) -> list[Node]:
        return [step.node for step in self.steps if not step.is_applied]

    @property
    def newly_recorded(self) -> list[Node]:
        """Squashed migrations whose parts have all been applied: rows to be added, nothing to be run."""
        return [s.node for s in self.steps if s.is_applied and s.node not in self.given]

    @property
    def unknown(self) -> list[Node]:
        """Applied by newer code than this. What an old squash replaced is not."""
        last: dict[str, int] = {}
        replaced: set[Node] = set()
        for (label, name), migration in self._loader.disk_migrations.items():
            last[label] = max(last.get(label, 0), _number(name))
            replaced.update(migration.replaces)
        return sorted(
            node
            for node in self.given
            if node[0] in self.labels
            and node not in self._loader.disk_migrations
            and node not in replaced
            and _number(node[1]) > last.get(node[0], 0)
        )

    def walk(self, run: Callable[[Step, ProjectState], None]) -> Iterator[Step]:
        """Call `run` for each tenant migration with the state before it, which it brings forward.

        Yields the step after each call.
        """
        state = ProjectState(real_apps=self._loader.unmigrated_apps)
        for step in self.order:
            if step.node[0] in self.labels:
                run(step, state)
                yield step
            else:
                step.migration.mutate_state(state, preserve=False)


def tenant_labels() -> set[str]:
    return {
        config.label for config in apps.get_app_configs() if config.name in settings.TENANT_APPS
    }


def shared_labels() -> set[str]:
    return {
        config.label for config in apps.get_app_configs() if config.name in settings.SHARED_APPS
    }


def all_labels() -> set[str]:
    return {config.label for config in apps.get_app_configs()}


def name_of(node: Node) -> str:
    return f"{node[0]}.{node[1]}"


def fingerprint_of(history: History, sealing: str) -> str:
    """Changes with the names of the migrations and what they say about seeds, and with rights and triggers."""
    said = [
        [name_of(step.node), bool(getattr(step.migration, SEEDS_ATTRIBUTE, False))]
        for step in history.steps
    ]
    described = json.dumps([sorted(said), sealing])
    return hashlib.sha256(described.encode()).hexdigest()


def _number(name: str) -> int:
    found = _NUMBER.match(name)
    return int(found.group()) if found else 0
