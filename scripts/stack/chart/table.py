"""The Helm chart beside those that other projects publish, as a table in Markdown.

Ours is measured now, with the real helm; theirs are the figures of 2026-11 (docs/compared.md).
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import yaml

from scripts.stack.chart import figures, helm


@dataclass(frozen=True)
class Row:
    """None: not known."""

    chart: str
    changed_lines: int | None
    containers: int
    not_restricted: int
    read_only: int
    without_readiness: int
    network_policy: str | None
    schema: str | None


# Measured 2026-11 with helm 3.17.3, default or minimal values, --kube-version 1.32.0, subcharts included. They are other
# projects' charts and are not fetched here; without policy or schema: not looked at.
PUBLISHED: Final = (
    Row("harbor", 17, 9, 0, 0, 0, "no", "no"),
    Row("bitnami airflow", 8, 26, 0, 26, 0, "egress open", None),
    Row("bitnami superset", 6, 11, 0, 2, 0, "egress open", None),
    Row("argo-cd", 0, 10, 0, 10, 4, "yes", "no"),
    Row("netbox", 11, 9, 1, 8, 1, "no", "yes"),
    Row("nautobot", 47, 6, 4, 1, 1, "yes", "fetches 18 parts"),
    Row("zulip", 0, 6, 1, 3, 1, "no", "strict"),
    Row("authentik", 0, 2, 2, 0, 0, "no", "no"),
    Row("DefectDojo", 4, 10, 10, 0, 3, "yes", "not strict"),
    Row("weblate", 0, 2, 2, 0, 0, None, "no"),
    Row("mattermost-team", 0, 3, 3, 0, 0, "no", "no"),
    Row("n8n", 0, 2, 2, 0, 0, "no", "no"),
    Row("trino", 0, 3, 3, 0, 0, "yes", "no"),
    Row("PostHog", 7, 21, 21, 0, 3, "no", "no"),
    Row("formbricks", None, 13, 11, 6, 1, "yes", "no"),
)
_HEADINGS: Final = (
    "chart", "changed lines", "containers", "not restricted", "read-only root", "without readiness", "NetworkPolicy", "schema",
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/chart-table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="instead of a table in Markdown")
    options = parser.parse_args(arguments)
    rows = [*measured(), *PUBLISHED]
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return 0
    print(f"| {' | '.join(_HEADINGS)} |")
    print(f"|{'---|' * len(_HEADINGS)}")
    for row in rows:
        cells = ["–" if cell is None else str(cell) for cell in asdict(row).values()]
        print(f"| {' | '.join(cells)} |")
    return 0


def measured() -> list[Row]:
    """Ours, with the least values that it takes and with everything switched on."""
    return [
        _measure("**Freehold**, least values", "minimal-values.yaml"),
        _measure("**Freehold**, everything on", "full-values.yaml", without=("web.sidecars",)),
    ]


def _measure(name: str, values: str, *, without: tuple[str, ...] = ()) -> Row:
    # A sidecar of the user's own is none of the chart's.
    less = [part for path in without for part in ("--set-json", f"{path}=[]")]
    file = helm.CHART / "ci" / values
    first, second = (helm.render([file], "--kube-version", "1.32.0", *less) for _ in range(2))
    manifests = helm.parse(first)
    found = figures.measure(first, second, manifests)
    return Row(
        chart=name,
        changed_lines=found.changed_lines,
        containers=found.containers,
        not_restricted=found.not_restricted,
        read_only=found.read_only,
        without_readiness=found.without_readiness,
        network_policy=_policy(manifests),
        schema=_schema(),
    )


def _policy(manifests: list[helm.Manifest]) -> str:
    """`egress closed`: a policy over all pods of the release denies both ways, and each rule has its ports."""
    specs = [m["spec"] for m in manifests if m["kind"] == "NetworkPolicy"]
    over_all = [s for s in specs if {"Ingress", "Egress"} == set(s.get("policyTypes", []))]
    is_closed = any("ingress" not in spec for spec in over_all) and all(
        rule.get("ports") for spec in specs for rule in spec.get("egress", [])
    )
    return ("egress closed" if is_closed else "yes") if specs else "no"


def _schema() -> str:
    schema = json.loads((helm.CHART / "values.schema.json").read_text())
    known = set(schema["properties"])
    values = set(yaml.safe_load((helm.CHART / "values.yaml").read_text()))
    return "strict" if schema["additionalProperties"] is False and values == known else "not strict"
